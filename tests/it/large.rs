//! A group whose members are sent while they are read is the group that is put together first, and a client that goes away in
//! the middle costs nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::dry_run::dechunked;
use crate::server::{Data, SCIM, Server};

/// More than are sent at once.
const MEMBERS: usize = 10_500;

#[test]
fn a_group_with_many_members_comes_in_parts_and_is_the_same() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let (group, known) = (server.group("large"), server.user("known"));
    let ids: Vec<String> = std::iter::once(known)
        .chain((1..MEMBERS).map(|number| format!("00000000-0000-4000-8000-{number:012x}")))
        .collect();
    let path = format!("/Groups/{group}");
    for some in ids.chunks(3_500) {
        let members: Vec<Value> = some.iter().map(|id| json!({"value": id})).collect();
        let reply = server.patch(&path, json!([{"op": "add", "path": "members", "value": members}]));
        assert_eq!(reply.status, 204, "{}", reply.text());
    }

    let reply = server.scim("GET", &path, None);
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("transfer-encoding: chunked"), "{}", reply.head);
    let parts: Value = serde_json::from_str(&dechunked(&reply)).unwrap();
    // A list has it whole.
    let whole = server.scim("GET", "/Groups?filter=displayName+eq+%22large%22", None).json()["Resources"][0].clone();
    assert_eq!(whole["members"].as_array().unwrap().len(), MEMBERS);
    assert_eq!(parts, whole);
    let tag = parts["meta"]["version"].as_str().unwrap();
    assert!(reply.raw_head.contains(tag), "{}", reply.raw_head);
    assert_eq!(server.scim_with("GET", &path, &[("If-None-Match", tag)], None).status, 304);
    let without = server.scim("GET", &format!("{path}?excludedAttributes=members"), None).json();
    assert!(without.get("members").is_none());

    // Who goes away after the first bytes.
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let request = format!("GET /scim/default/v2{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SCIM}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    drop(stream);
    assert_eq!(dechunked(&server.scim("GET", &path, None)), dechunked(&reply));
}
