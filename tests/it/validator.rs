//! Microsoft's SCIM Validator as a list of conversations: its 25 required tests and its 7 previews, each with and without
//! `aadOptscim062020`, and with the capitals that Entra writes without it.

use std::collections::BTreeSet;

use crate::http::hold;
use crate::server::{Data, Server};

#[test]
fn no_test_of_the_validator_fails() {
    let data = Data::new();
    let server = Server::start(&data.0);
    let held = hold(&server, "validator.json");
    let numbers: BTreeSet<&str> = held.iter().filter_map(|name| name.split(' ').next()).collect();
    let wanted = (1..=25).map(|number| format!("{number:02}")).chain((1..=7).map(|number| format!("P{number}")));
    for number in wanted {
        assert!(numbers.contains(number.as_str()), "no conversation for test {number}");
    }
}
