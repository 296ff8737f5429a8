// SCIMMY behind its own routers, over maps in memory: what an application around these packages would be at its best. Users are found by
// id and by name without a walk, and a page is cut before it is formatted. `node scimmy.mjs PORT`, with BENCH_TOKEN in the environment.
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";

const require = createRequire(process.cwd() + "/");
const express = require("express");
const SCIMMY = require("scimmy");
const Routers = require("scimmy-routers").default;

const expected = `Bearer ${process.env.BENCH_TOKEN}`;
const missing = (id) => new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);

// Resources of one type: by id, in the order of creation, and by a name that is unique.
function handlers(name) {
    const byId = new Map(), byName = new Map(), order = [];
    const query = new RegExp(`^${name} eq "([^"]*)"$`, "i");
    const found = (id) => {
        if (!byId.has(id)) throw missing(id);
        return byId.get(id);
    };
    const ingress = (resource, data) => {
        const now = new Date(), old = resource.id && found(resource.id), id = resource.id ?? randomUUID();
        const key = data[name].toLowerCase(), holder = byName.get(key);
        if (holder && holder !== id) throw new SCIMMY.Types.Error(409, "uniqueness", `${name} is taken`);
        // Plain objects, which are quicker to read than those that check what is set.
        const kept = { ...JSON.parse(JSON.stringify(data)), id, meta: { created: old?.meta.created ?? now, lastModified: now } };
        if (old) byName.delete(old[name].toLowerCase());
        else order.push(id);
        byId.set(id, kept);
        byName.set(key, id);
        return kept;
    };
    const egress = (resource, context) => {
        if (resource.id) return found(resource.id);
        const asked = query.exec(context.filter ?? "");
        if (asked) {
            const id = byName.get(asked[1].toLowerCase());
            return id ? [found(id)] : [];
        }
        const { startIndex = 1, count = 20, sortBy } = resource.constraints ?? {};
        // The routers cut what they get once more where the page starts within it; then they get everything.
        const whole = resource.filter || sortBy || (startIndex > 1 && startIndex <= count);
        const resources = (whole ? order : order.slice(startIndex - 1, startIndex - 1 + count)).map(found);
        if (!whole) resource.constraints = { startIndex, count, totalResults: order.length };
        return resource.filter ? resource.filter.match(resources) : resources;
    };
    const degress = (resource) => {
        byName.delete(found(resource.id)[name].toLowerCase());
        byId.delete(resource.id);
        order.splice(order.indexOf(resource.id), 1);
    };
    return [ingress, egress, degress];
}

function declare(type, name) {
    const [ingress, egress, degress] = handlers(name);
    type.ingress(ingress).egress(egress).degress(degress);
    SCIMMY.Resources.declare(type);
}

SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser);
declare(SCIMMY.Resources.User, "userName");
declare(SCIMMY.Resources.Group, "displayName");

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use("/scim/v2", new Routers({
    type: "bearer",
    handler: (request) => {
        if (request.header("Authorization") !== expected) throw new Error("a token is needed");
        return "bench";
    },
    context: (request) => ({ filter: request.query.filter }),
}));
app.listen(Number(process.argv[2]), "127.0.0.1");
