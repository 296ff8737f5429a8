//! The RFCs and Entra over HTTP: what other servers fail, what their users complain of, where suites disagree, and what
//! Entra's service sends, as conversations in `tests/cases/http`.

use crate::http::hold;
use crate::server::{Data, Server};

fn talks(file: &str, at_least: usize) {
    let data = Data::new();
    let server = Server::start(&data.0);
    let held = hold(&server, file).len();
    assert!(held >= at_least, "{file} has {held} conversations");
}

#[test]
fn what_other_servers_fail() {
    talks("rfc.json", 20);
}

#[test]
fn where_suites_and_the_rfc_pull_apart() {
    talks("dialects.json", 10);
}

#[test]
fn what_entra_sends() {
    talks("entra.json", 15);
}

#[test]
fn what_users_of_other_servers_complain_of() {
    talks("pains.json", 9);
}
