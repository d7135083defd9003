//! The description of the API has the routes of the server, and no others. `ci/openapi.sh` holds real replies against
//! it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;

use common::{Server, Value};

const DESCRIPTION: &str = include_str!("../openapi.json");

/// The routes as the router's source has them: `.route("PATH", METHOD(`.
fn routes(source: &str) -> BTreeSet<(String, String)> {
    let route = |text: &str| {
        let (path, rest) = text.split_once('"')?;
        let method = rest.strip_prefix(", ")?.split_once('(')?.0;
        Some((path.replace("{*", "{"), method.to_owned()))
    };
    source
        .split(".route(\"")
        .skip(1)
        .map(|text| route(text).unwrap_or_else(|| panic!("{text:.80}")))
        .collect()
}

fn described(description: &Value) -> BTreeSet<(String, String)> {
    let paths = description["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let routes = routes(include_str!("../src/router.rs"));
    assert!(routes.len() > 10, "{routes:?}");
    assert_eq!(described(&description), routes);
}

#[test]
fn the_server_tells_its_description_and_answers_each_route() {
    let server = Server::start();
    let reply = server.get("/openapi.json");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.text, DESCRIPTION);
    for (path, method) in described(&reply.body) {
        let path = path.replace("{id}", "x").replace("{path}", "style/base.css");
        let reply = server.send(&method.to_uppercase(), &path, &[], "");
        assert_ne!(reply.status, 405, "{method} {path}");
        assert_ne!(reply.description(), "There is nothing here.", "{method} {path}");
    }
}
