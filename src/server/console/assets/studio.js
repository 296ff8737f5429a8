// The mapping studio: an editor with a coloured layer underneath, findings as somebody types, what a record becomes, the
// tests, completion, and who would change. All texts come into the page as text; nothing is ever read as HTML.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const studio = $("studio"), text = $("text"), layer = $("layer"), gutter = $("gutter"), offers = $("offers");
  const recordField = $("record"), state = $("state");
  const csrf = studio.dataset.csrf;
  let name = studio.dataset.name, revision = Number(studio.dataset.revision), saved = text.value;
  let findings = [], reads = [], reference = null, compiles = false;

  // ── Small things ──

  function el(tag, properties, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key in made && key !== "role") made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  async function ask(method, path, body) {
    const headers = { "X-CSRF-Token": csrf };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(`/console/api/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const told = await answer.json().catch(() => ({ detail: `the server answered ${answer.status}` }));
    if (!answer.ok) throw Object.assign(new Error(told.detail || String(answer.status)), { status: answer.status, told });
    return told;
  }

  function later(run, wait) {
    let timer = 0;
    return () => { clearTimeout(timer); timer = setTimeout(run, wait); };
  }

  const fileName = () => `${name || "new"}.toml`;
  const shown = (value) => value === undefined ? "" : JSON.stringify(value);

  // ── Colours: a tokenizer of TOML, and of the expressions in its strings ──

  const EXPRESSION = /([A-Za-z_][A-Za-z0-9_]*)(?=\s*\()|(\[[^\]\n]*\])|("(?:[^"\\\n]|\\.)*")|(\b\d+(?:\.\d+)?\b)|([^A-Za-z_["\d]+|[A-Za-z_][A-Za-z0-9_]*|.)/gy;

  function inside(code, out) {
    EXPRESSION.lastIndex = 0;
    for (let found; EXPRESSION.lastIndex < code.length && (found = EXPRESSION.exec(code));) {
      const kind = found[1] ? "function" : found[2] ? "attribute" : found[3] ? "string" : found[4] ? "number" : "code";
      out.push([kind, found[0]]);
    }
  }

  // Whether a string is a program: those of rules are, those of names, tests and filters are not.
  function isProgram(table, line) {
    if (/^\[?\[?(tests|scope|source|target|env)/.test(table)) return false;
    return /^\[?\[?(attributes|script|snippets)/.test(table) || /\b(expr|liquid|jinja|rhai)\s*=/.test(line);
  }

  function tokens(source) {
    const out = [];
    let table = "", at = 0, lineStart = 0, isValue = false;
    while (at < source.length) {
      const rest = source.slice(at, at + 3), letter = source[at];
      if (letter === "\n") {
        out.push(["code", "\n"]);
        at += 1; lineStart = at; isValue = false;
      } else if (letter === "#") {
        const end = source.indexOf("\n", at), stop = end < 0 ? source.length : end;
        out.push(["comment", source.slice(at, stop)]);
        at = stop;
      } else if (letter === "[" && source.slice(lineStart, at).trim() === "") {
        const end = source.indexOf("\n", at), stop = end < 0 ? source.length : end;
        table = source.slice(at, stop).replace(/^\[+\s*/, "");
        out.push(["table", source.slice(at, stop)]);
        at = stop;
      } else if (rest === "'''" || rest === '"""' || letter === "'" || letter === '"') {
        const long = rest === "'''" || rest === '"""', mark = long ? rest : letter;
        let end = at + mark.length;
        for (;;) {
          if (end >= source.length) break;
          if (source.startsWith(mark, end)) { end += mark.length; break; }
          if (!long && source[end] === "\n") break;
          end += mark[0] === '"' && source[end] === "\\" ? 2 : 1;
        }
        end = Math.min(end, source.length);
        const whole = source.slice(at, end);
        const closed = whole.length >= 2 * mark.length && whole.endsWith(mark);
        if (!isValue) {
          out.push(["key", whole]);
        } else if (isProgram(table, source.slice(lineStart, at)) && closed) {
          out.push(["string", mark]);
          inside(whole.slice(mark.length, -mark.length), out);
          out.push(["string", mark]);
        } else {
          out.push(["string", whole]);
        }
        at = end;
        lineStart = Math.max(lineStart, source.lastIndexOf("\n", at - 1) + 1);
      } else if (letter === "=") {
        out.push(["code", "="]);
        at += 1; isValue = true;
      } else if (letter === "{" || letter === "," || letter === "}") {
        out.push(["code", letter]);
        at += 1;
        if (letter !== "}") isValue = letter === "," ? isValue && !/\{[^}]*$/.test(source.slice(lineStart, at)) : false;
      } else {
        const word = /[A-Za-z0-9_.+:-]+|[^\S\n]+|./y;
        word.lastIndex = at;
        const found = word.exec(source)[0];
        const kind = /^\s/.test(found) ? "code" : !isValue && /^[\w.-]+$/.test(found) ? "key" : /^(true|false|[-+]?[\d.:TZ-]+)$/.test(found) ? "number" : "code";
        out.push([kind, found]);
        at += found.length;
      }
    }
    return out;
  }

  function paint() {
    const source = text.value;
    const marks = findings.map((found) => ({ from: found.range[0], to: Math.max(found.range[1], found.range[0] + 1), kind: found.severity }));
    const borders = [...new Set(marks.flatMap((mark) => [mark.from, mark.to]))].sort((a, b) => a - b);
    const parts = [];
    let at = 0;
    for (const [kind, piece] of tokens(source)) {
      let from = at;
      const end = at + piece.length;
      for (const border of [...borders.filter((border) => border > from && border < end), end]) {
        const mark = marks.find((mark) => mark.from < border && mark.to > from);
        const part = source.slice(from, border);
        if (kind === "code" && !mark) parts.push(part);
        else parts.push(el("span", { className: `t-${kind}${mark ? ` s-${mark.kind}` : ""}` }, part));
        from = border;
      }
      at = end;
    }
    parts.push("\n");
    layer.replaceChildren(...parts);
    const lines = source.split("\n").length;
    const bad = new Map(findings.map((found) => [found.line, found.severity]));
    const numbers = [];
    for (let line = 1; line <= lines; line += 1) {
      const tag = bad.get(line) === "error" ? "b" : bad.get(line) ? "i" : null;
      numbers.push(tag ? el(tag, {}, String(line)) : String(line), "\n");
    }
    gutter.replaceChildren(...numbers);
  }

  // ── Findings ──

  function jump(range) {
    text.focus();
    text.setSelectionRange(range[0], range[1]);
    const line = text.value.slice(0, range[0]).split("\n").length;
    const height = layer.getBoundingClientRect().height / Math.max(1, text.value.split("\n").length + 2);
    $("editor").scrollTop = Math.max(0, (line - 6) * height);
  }

  // Replaces as typing does, so that undo takes it back.
  function replace(from, to, piece) {
    text.focus();
    text.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, piece)) {
      text.setRangeText(piece, from, to, "end");
      text.dispatchEvent(new Event("input"));
    }
  }

  function picture(found) {
    const lines = found.picture.trimEnd().split("\n").slice(1);
    return el("pre", { tabIndex: 0, ariaLabel: "Where" }, ...lines.flatMap((line) => [/^[\s|]*\^|\|\s+\^/.test(line) ? el("b", {}, line) : line, "\n"]));
  }

  function findingCard(found) {
    const fixes = found.fixes.map((fix) => el("button", { type: "button", className: "button small", onclick: () => replace(fix.range[0], fix.range[1], fix.replacement) }, fix.title.replaceAll("`", "")));
    return el("article", { className: `finding ${found.severity}` },
      el("button", { type: "button", onclick: () => jump(found.range) },
        el("strong", {}, `${found.severity} ${found.code}`), ` line ${found.line}: ${found.message}`),
      picture(found),
      fixes.length ? el("div", { className: "row" }, ...fixes) : null);
  }

  function showFindings(answer) {
    const list = $("findings");
    if (!answer.findings.length) {
      list.replaceChildren(el("p", { className: "all-well" }, `✓ It compiles: ${answer.mapping.rules} rules.`));
    } else {
      list.replaceChildren(...answer.findings.map(findingCard));
      if (answer.dropped) list.append(el("p", { className: "muted" }, `and ${answer.dropped} more`));
    }
  }

  // ── What a record becomes ──

  function showResult(answer) {
    const pane = $("pane-payload"), rules = $("pane-rules");
    const result = answer.result;
    if (!answer.mapping) {
      pane.replaceChildren(el("p", { className: "muted" }, "The mapping does not compile; what stands below the text says why."));
      return;
    }
    if (!result) {
      pane.replaceChildren(el("p", { className: "muted" }, "Pick somebody above, or paste a record, and the payload appears here as you type."));
      rules.replaceChildren(el("p", { className: "muted" }, "With a record, every rule shows its value and how it came about."));
      return;
    }
    if (result.outcome === "payload") {
      pane.replaceChildren(el("pre", { className: "json", id: "payload", tabIndex: 0, ariaLabel: "Payload" }, JSON.stringify(result.payload, null, 2)));
    } else if (result.outcome === "failed") {
      pane.replaceChildren(el("p", {}, el("span", { className: "badge bad" }, "would halt"), " This record would stop everything:"), findingCard(result.finding));
    } else {
      const word = { skipped: "left out", outOfScope: "out of scope", unreadable: "no record" }[result.outcome];
      pane.replaceChildren(el("p", {}, el("span", { className: "badge warn" }, word), ` ${result.reason}`));
    }
    const open = new Set([...rules.querySelectorAll("details[open]")].map((one) => one.dataset.target));
    rules.replaceChildren(...(result.rules || []).map((rule) => {
      const value = rule.error ? el("span", { className: "failed" }, rule.error)
        : rule.value === null || rule.value === undefined ? el("span", { className: "nothing" }, "nothing")
          : el("span", { className: "value mono" }, shown(rule.value));
      const rows = rule.steps.map((step) => el("tr", {},
        el("td", { className: "mono wrap" }, "  ".repeat(step.depth) + step.text),
        el("td", { className: `mono wrap ${step.failed ? "failed" : "value"}` }, step.failed ? "failed" : shown(step.value))));
      const made = el("details", { className: "rule", open: open.has(rule.target) }, el("summary", {}, el("span", { className: "mono" }, rule.target), value),
        rows.length ? el("table", { className: "steps-table" }, el("tbody", {}, ...rows)) : el("p", { className: "muted small" }, "a constant"));
      made.dataset.target = rule.target;
      return made;
    }));
  }

  function showTests(answer) {
    const pane = $("pane-tests"), tests = answer.tests || [];
    const failed = tests.filter((test) => !test.passed).length;
    $("tab-tests").textContent = tests.length ? failed ? `Tests ✗ ${failed}` : `Tests ✓ ${tests.length}` : "Tests";
    if (!tests.length) {
      pane.replaceChildren(el("p", { className: "muted" }, answer.mapping ? "No [[tests]] in this file. A test is a record and what is expected of it; it runs here as you type, and with provisor test." : "The mapping does not compile."));
      return;
    }
    pane.replaceChildren(...tests.flatMap((test) => [
      el("div", { className: "test" }, el("span", { className: `badge ${test.passed ? "good" : "bad"}` }, test.passed ? "pass" : "fail"),
        el("button", { type: "button", onclick: () => jump(test.range) }, test.name)),
      test.finding ? el("div", { className: "test-why" }, findingCard(test.finding)) : null,
    ].filter(Boolean)));
  }

  let asked = 0, answered = 0;
  async function attempt() {
    const turn = asked += 1, at = text.value;
    try {
      const answer = await ask("POST", "try", { text: at, file: fileName(), record: recordField.value.trim() || null });
      // A slower answer to an older text is no news.
      if (turn < answered) return;
      answered = turn;
      const failing = answer.result && answer.result.outcome === "failed" ? [answer.result.finding] : [];
      findings = [...answer.findings, ...failing];
      if (answer.mapping) reads = answer.mapping.reads;
      compiles = Boolean(answer.mapping);
      if (text.value === at) paint();
      showFindings(answer);
      showResult(answer);
      showTests(answer);
      if (!$("pane-target").hidden) target();
    } catch (error) {
      $("findings").replaceChildren(el("p", { className: "wrong", role: "alert" }, error.message));
    }
  }
  const soon = later(attempt, 120);

  function changed() {
    // Findings move with the text until the answer comes.
    findings = findings.filter((found) => found.range[1] <= text.value.length);
    paint();
    mark();
    soon();
  }

  function mark() {
    const dirty = text.value !== saved;
    state.textContent = dirty ? "Changed, not saved" : revision ? `Revision ${revision}` : "Not saved yet";
  }

  // ── The record ──

  let picked = "", pickedText = "", pickedFrom = {};

  async function search() {
    const list = $("picked");
    if (!$("pick-source").value) return;
    const query = new URLSearchParams({ source: $("pick-source").value, kind: $("pick-kind").value, search: $("pick").value.trim() });
    try {
      const found = await ask("GET", `records?${query}`);
      list.replaceChildren(...found.records.map((one) => el("li", {}, el("button", { type: "button", value: one.id, ariaPressed: String(one.id === picked), onclick: () => take(one.id) }, one.name || one.externalId || one.id))));
      if (!found.records.length) list.replaceChildren(el("li", { className: "muted small" }, $("pick").value ? "Nobody found" : "Nobody was provisioned yet: paste a record below"));
    } catch (error) {
      list.replaceChildren(el("li", { className: "wrong" }, error.message));
    }
  }

  async function take(id) {
    const query = new URLSearchParams({ source: $("pick-source").value, kind: $("pick-kind").value, id });
    try {
      const record = await ask("GET", `record?${query}`);
      recordField.value = JSON.stringify(record, null, 2);
      $("record-name").textContent = record.userName || record.displayName || id;
      picked = id;
      pickedText = recordField.value;
      pickedFrom = { source: query.get("source"), kind: query.get("kind") };
      for (const other of document.querySelectorAll("#picked button")) other.ariaPressed = String(other.value === id);
      attempt();
    } catch (error) {
      $("record-name").textContent = error.message;
    }
  }

  // ── What the target receives ──

  // Somebody of the directory whose record is as it was picked, or what was pasted.
  const wantedRecords = () => picked && recordField.value === pickedText ? { ...pickedFrom, ids: [picked] } : [JSON.parse(recordField.value)];

  function changesTable(changes, before) {
    const cell = (value, mood) => el("td", { className: `mono wrap ${mood}` }, value === undefined || value === null ? "–" : shown(value));
    return el("table", { className: "changes" },
      el("thead", {}, el("tr", {}, ...["Attribute", before, "Would be"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...changes.map((change) => el("tr", {}, el("td", { className: "mono wrap" }, change.path), cell(change.old, "gone"), cell(change.new, "come")))));
  }

  // What differs from what is stored, when this mapping made that, else from what the saved revision makes.
  function differing(one, impact) {
    if (one.differs && one.stored && one.stored.mapping === name) {
      return one.differs.length ? [el("h3", {}, "Against what is stored"), changesTable(one.differs, "Is")] : [el("p", { className: "muted" }, "What is stored is the same.")];
    }
    if (!impact || !impact.old) return [];
    const changes = impact.samples.length ? impact.samples[0].changes : [];
    if (!changes.length) return [el("p", { className: "muted" }, `Revision ${impact.old.revision} would send the same.`)];
    return [el("h3", {}, `Against revision ${impact.old.revision}`), changesTable(changes, "Is")];
  }

  let aimed = 0;
  async function target() {
    const turn = aimed += 1, box = $("received"), chosen = $("aim").value;
    const say = (words, mood) => box.replaceChildren(el("p", { className: mood || "muted" }, words));
    if (!compiles) return say("The mapping does not compile; what stands below the text says why.");
    if (!recordField.value.trim()) return say("Pick somebody above, or paste a record, and the request appears here as you type.");
    let records;
    try { records = wantedRecords(); } catch { return say("The record is no JSON."); }
    const mapping = { text: text.value };
    const aim = chosen.startsWith("sync:") ? chosen.slice(5) : { kind: chosen };
    try {
      const [told, impact] = await Promise.all([
        ask("POST", "dry-run", { mapping, records, options: { target: aim, rules: false } }),
        name ? ask("POST", "impact", { mapping, against: name, records, options: { samples: 1 } }) : null,
      ]);
      if (turn !== aimed) return;
      const one = told.records[0];
      if (!one) return say("This record is not in the directory any more: pick another one.");
      if (!one.target) return say(`Nothing: ${one.reason || (one.error ? one.error.message : "no scoping filter takes this record")}.`, "wrong");
      const { verb, linked, requests } = one.target;
      const words = verb === "none" ? "Nothing: it was sent just this the last time." : linked ? `Linked to ${linked}.` : linked === null ? "It is not linked, and would be created." : "This makes a new object.";
      box.replaceChildren(
        el("p", {}, el("span", { className: `badge ${verb === "create" ? "good" : "calm"}` }, verb), ` ${words}`),
        ...requests.flatMap((request) => [
          el("p", { className: "mono wrap" }, el("strong", {}, request.method), ` ${request.path || request.url || ""}`),
          request.body === undefined ? "" : el("pre", { className: "json", tabIndex: 0, ariaLabel: "Body of the request" }, JSON.stringify(request.body, null, 2)),
        ]),
        ...differing(one, impact));
    } catch (error) {
      if (turn === aimed) say(error.message, "wrong");
    }
  }

  // ── Completion ──

  // What stands before the caret: in which string, of which language, behind what.
  function place() {
    const caret = text.selectionStart, source = text.value;
    const before = source.slice(0, caret), lineStart = before.lastIndexOf("\n") + 1, line = before.slice(lineStart);
    const table = (before.match(/^[ \t]*\[+([^\]\n]*)\]/gm) || []).pop() || "";
    const inAttributes = /\[\s*attributes/.test(table);
    if (inAttributes && /^[ \t]*['"]?[\w.:]*$/.test(line)) {
      const word = line.match(/[\w.:]*$/)[0];
      return { kind: "target", word, from: caret - word.length };
    }
    const quote = line.match(/=\s*('{3}|"{3}|'|")((?:(?!\1).)*)$/);
    const code = quote ? quote[2] : /'''(?:(?!''')[\s\S])*$/.test(before) ? line : null;
    if (code === null || /\[\s*(tests|scope|source)/.test(table)) return null;
    const attribute = code.match(/\[([^\]["'(),]*)$/);
    if (attribute) return { kind: "attribute", word: attribute[1], from: caret - attribute[1].length };
    if (/liquid\s*=/.test(line) || /language\s*=\s*['"]liquid/.test(source) && !/(expr|jinja|rhai)\s*=/.test(line)) {
      const filter = code.match(/\|\s*(\w*)$/);
      if (filter) return { kind: "filter", word: filter[1], from: caret - filter[1].length };
      const bare = code.match(/\{\{\s*(\w*)$/);
      return bare ? { kind: "bare", word: bare[1], from: caret - bare[1].length } : null;
    }
    if ((code.match(/"/g) || []).length % 2) return null;
    const word = code.match(/[A-Za-z_]\w*$|$/)[0];
    return { kind: "function", word, from: caret - word.length };
  }

  function attributes() {
    let record = {};
    try { record = JSON.parse(recordField.value); } catch { /* what is typed may be half a record */ }
    return [...new Set([...Object.keys(record || {}), ...reads])].sort();
  }

  function candidates(spot) {
    const word = spot.word.toLowerCase();
    const near = (list, key) => {
      const starts = list.filter((one) => one[key].toLowerCase().startsWith(word));
      return [...starts, ...list.filter((one) => word && !starts.includes(one) && one[key].toLowerCase().includes(word))];
    };
    const named = (list) => near(list.map((one) => ({ name: one })), "name");
    if (spot.kind === "attribute") return named(attributes()).map((one) => ({ label: one.name, detail: "attribute", insert: `${one.name}]` }));
    if (spot.kind === "bare") return named(attributes()).map((one) => ({ label: one.name, detail: "attribute", insert: one.name }));
    if (spot.kind === "filter") return near(reference.filters, "name").map((one) => ({ label: one.name, detail: one.summary, insert: one.name, doc: one }));
    if (spot.kind === "target") {
      const kind = (text.value.match(/^\s*resource\s*=\s*["'](\w+)/m) || [])[1] || "User";
      return near(reference.targets[kind] || [], "path").map((one) => ({ label: one.path, detail: one.summary, doc: one, insert: /[[\]:. ]/.test(one.path) ? `'${one.path}'` : one.path }));
    }
    return near(reference.functions, "name").map((one) => ({ label: one.name, detail: one.signature.slice(one.name.length), insert: `${one.name}(`, doc: one }));
  }

  let offered = null, offering = 0;

  async function offer(forced) {
    const turn = offering += 1, spot = place();
    if (!spot || (!forced && !spot.word && spot.kind !== "attribute")) return close();
    if (!reference) {
      try { reference = await ask("GET", "reference"); } catch { return close(); }
      // Somebody typed on, or was done with it.
      if (turn !== offering) return;
    }
    const list = candidates(spot).slice(0, 60);
    if (!list.length || (list.length === 1 && list[0].label === spot.word && !forced)) return close();
    offered = { spot, list, chosen: 0 };
    offers.replaceChildren(...list.map((one, at) => el("li", { id: `offer-${at}`, role: "option", ariaSelected: String(at === 0), onmousedown: (event) => { event.preventDefault(); accept(at); } }, one.label, el("span", {}, one.detail || ""))));
    const line = text.value.slice(0, spot.from).split("\n");
    const size = metrics();
    offers.style.left = `${size.left + line[line.length - 1].length * size.letter}px`;
    offers.style.top = `${size.top + line.length * size.line + 2}px`;
    offers.hidden = false;
    choose(0);
  }

  function metrics() {
    const probe = el("span", {}, "0".repeat(50));
    layer.prepend(probe);
    const style = getComputedStyle(layer);
    const made = { letter: probe.getBoundingClientRect().width / 50, line: parseFloat(style.lineHeight), left: parseFloat(style.paddingLeft), top: parseFloat(style.paddingTop) };
    probe.remove();
    return made;
  }

  function choose(at) {
    offered.chosen = at;
    [...offers.children].forEach((item, number) => { item.ariaSelected = String(number === at); });
    offers.children[at].scrollIntoView({ block: "nearest" });
    text.setAttribute("aria-activedescendant", `offer-${at}`);
    const doc = offered.list[at].doc, box = $("doc");
    box.hidden = !doc;
    if (doc) {
      box.replaceChildren(...[
        el("p", {}, el("strong", { className: "mono" }, doc.signature || doc.path)),
        el("p", {}, doc.summary || ""),
        doc.details && el("p", { className: "muted" }, doc.details),
        doc.examples && doc.examples[0] && el("p", { className: "mono" }, `${doc.examples[0].expression || doc.examples[0].template} → ${shown(doc.examples[0].result)}`),
      ].filter(Boolean));
    }
  }

  function close() {
    offering += 1;
    offered = null;
    offers.hidden = true;
    $("doc").hidden = true;
    text.removeAttribute("aria-activedescendant");
  }

  function accept(at) {
    const { spot, list } = offered, one = list[at];
    let to = text.selectionStart, insert = one.insert, from = spot.from;
    if (spot.kind === "attribute" && text.value[to] === "]") to += 1;
    if (spot.kind === "function" && text.value[to] === "(") insert = one.label;
    if (spot.kind === "target" && insert.startsWith("'") && /['"]/.test(text.value[from - 1] || "")) from -= 1;
    close();
    replace(from, to, insert);
  }

  // ── Who would change ──

  async function impact() {
    const pane = $("pane-impact");
    select("impact");
    pane.replaceChildren(el("p", { className: "muted", role: "status" }, "Looking at the directory…"));
    try {
      const kind = $("pick-kind").value, source = $("pick-source").value;
      const told = await ask("POST", "impact", { mapping: { text: text.value }, records: { source, kind }, options: { samples: 25 } });
      const figure = (label, count, mood) => el("div", {}, el("dt", {}, label), el("dd", { className: mood || "" }, count.toLocaleString("en")));
      pane.replaceChildren(
        el("p", {}, `${told.old ? "Against the revision that is saved," : "This mapping was never saved, so all that it makes is new:"} over ${told.records.toLocaleString("en")} ${kind === "User" ? "users" : "groups"} of ${source}${told.complete === false ? "; there are more, these are the first" : ""}.`),
        el("dl", { className: "figures impact-figures" }, figure(told.old ? "change" : "are new", told.changed), figure("stay as they are", told.unchanged), figure("would halt it", told.failed, told.failed ? "gone" : ""), figure("get no payload any more", told.disappear, told.disappear ? "gone" : "")),
        told.attributes.length ? el("p", { className: "small" }, "Attributes: ", told.attributes.slice(0, 12).map((one) => `${one.path} (${one.records})`).join(", ")) : "",
        ...told.samples.map((one) => el("div", { className: "who-changes" }, el("strong", {}, one.name || one.id || `record ${one.record}`),
          one.after !== "payload" && one.before !== "unmapped" ? el("p", { className: "small" }, `${one.before} before, now ${one.after}${one.reason ? `: ${one.reason}` : ""}`) : "",
          one.changes.length ? changesTable(one.changes, told.old ? "Is" : "Was") : "")));
    } catch (error) {
      pane.replaceChildren(el("p", { className: "wrong", role: "alert" }, error.message));
    }
  }

  // ── Saving ──

  async function save() {
    const at = text.value;
    const called = name || (at.match(/^\s*name\s*=\s*["']([^"'\n]+)["']/m) || [])[1];
    if (!called) {
      state.textContent = 'Not saved: the text needs a line name = "…"';
      return;
    }
    state.textContent = "Saving…";
    try {
      const told = await ask("PUT", `mappings/${encodeURIComponent(called)}`, { text: at, revision });
      const first = !name;
      name = told.name; revision = told.revision; saved = at;
      mark();
      state.textContent = `Saved as revision ${revision}`;
      if (first) location.replace(`/console/mappings/${encodeURIComponent(name)}/edit`);
    } catch (error) {
      if (error.status === 412 && error.told.theirs) return conflict(error.told.theirs);
      state.textContent = `Not saved: ${error.message}`;
    }
  }

  function conflict(theirs) {
    $("conflict-who").textContent = `Revision ${theirs.revision} is by ${theirs.by}; you began with ${revision || "none"}.`;
    $("theirs").value = theirs.text;
    const dialog = $("conflict");
    $("take-theirs").onclick = () => { replace(0, text.value.length, theirs.text); revision = theirs.revision; saved = theirs.text; mark(); dialog.close(); };
    $("save-mine").onclick = () => { revision = theirs.revision; dialog.close(); save(); };
    $("keep-both").onclick = () => dialog.close();
    state.textContent = "Not saved: somebody else saved meanwhile";
    dialog.showModal();
  }

  // ── Tabs of the results ──

  const tabs = ["payload", "rules", "target", "tests", "impact"];
  function select(which, focus) {
    for (const one of tabs) {
      const tab = $(`tab-${one}`), on = one === which;
      tab.ariaSelected = String(on);
      tab.tabIndex = on ? 0 : -1;
      $(`pane-${one}`).hidden = !on;
      if (on && focus) tab.focus();
    }
    if (which === "target") target();
  }
  tabs.forEach((one, at) => {
    $(`tab-${one}`).addEventListener("click", () => select(one));
    $(`tab-${one}`).addEventListener("keydown", (event) => {
      const step = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      select(tabs[(step + tabs.length) % tabs.length], true);
    });
  });

  // ── Keys ──

  let leaving = false;
  text.addEventListener("keydown", (event) => {
    const { key } = event;
    if ((event.ctrlKey || event.metaKey) && key === " ") { event.preventDefault(); offer(true); return; }
    if (offered) {
      const last = offered.list.length - 1;
      if (key === "ArrowDown") { event.preventDefault(); choose(offered.chosen === last ? 0 : offered.chosen + 1); return; }
      if (key === "ArrowUp") { event.preventDefault(); choose(offered.chosen === 0 ? last : offered.chosen - 1); return; }
      if (key === "Enter" || key === "Tab") { event.preventDefault(); accept(offered.chosen); return; }
      if (key === "Escape") { event.preventDefault(); close(); return; }
    }
    if (key === "Escape") {
      leaving = true;
      $("editor-help").textContent = "Tab now moves on";
    } else if (key === "Tab" && !leaving && !event.shiftKey) {
      event.preventDefault();
      replace(text.selectionStart, text.selectionEnd, "    ");
    } else if (key !== "Tab" && key !== "Shift") {
      leaving = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); if (!$("save").disabled) save(); }
  });
  text.addEventListener("input", (event) => {
    changed();
    if (event.inputType === "insertText" && event.data && /[\w[]/.test(event.data) && event.data.length === 1) offer(false);
    else if (offered && event.inputType === "deleteContentBackward") offer(false);
    else close();
  });
  text.addEventListener("blur", close);
  text.addEventListener("click", close);
  recordField.addEventListener("input", () => { $("record-name").textContent = "pasted"; soon(); });
  $("pick").addEventListener("input", later(search, 200));
  $("pick-source").addEventListener("change", search);
  $("pick-kind").addEventListener("change", search);
  $("aim").addEventListener("change", target);
  $("ask-impact").addEventListener("click", impact);
  $("save").addEventListener("click", save);
  addEventListener("beforeunload", (event) => { if (text.value !== saved) event.preventDefault(); });

  paint();
  attempt();
  search().then(() => { if (studio.dataset.id) take(studio.dataset.id); });
})();
