//! Remembered devices over HTTP: what a client asks for and keeps, what a page of this origin keeps in a cookie, the list,
//! and what an administrator sees and forgets.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{Directory, MFA_SCOPE, Reply, Server, Value, as_demo, claims, json};

const USER: &str = "user@example.com";
const DEVICE_GRANT: &str = "urn:countersign:grant-type:mfa-device";

/// Signs in by a code, with these headers, and asks to be remembered.
fn remembering(server: &Server, headers: &[(&str, &str)], more: Value) -> Reply {
    let token = server.mfa_token();
    let count = server.codes().len();
    let challenged = server.challenge(&token);
    assert_eq!(challenged.status, 200, "{}", challenged.text);
    let code = server.code(count + 1);
    let mut body = json!({
        "grant_type": "http://auth0.com/oauth/grant-type/mfa-oob", "mfa_token": token,
        "oob_code": challenged.body["oob_code"], "binding_code": code, "remember_device": true,
        "audience": server.mfa_audience(), "scope": MFA_SCOPE,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    send(server, "/oauth/token", headers, &as_demo(&body))
}

fn send(server: &Server, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    server.send("POST", path, &headers, &body.to_string())
}

fn password(server: &Server, headers: &[(&str, &str)], more: Value) -> Reply {
    let mut body = json!({
        "grant_type": "password", "username": USER, "password": common::PASSWORD, "scope": "openid",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    send(server, "/oauth/token", headers, &as_demo(&body))
}

fn listed(server: &Server, headers: &[(&str, &str)], token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    server.send("GET", "/mfa/devices", &[&[("Authorization", bearer.as_str())], headers].concat(), "")
}

fn forget(server: &Server, headers: &[(&str, &str)], token: &str, id: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [&[("Authorization", bearer.as_str())], headers].concat();
    server.send("DELETE", &format!("/mfa/devices/{id}"), &headers, "")
}

fn access(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["access_token"].as_str().unwrap().to_owned()
}

/// A client of the API asks for it, is given the token in the answer, and presents it in a body.
#[test]
fn a_client_asks_to_be_remembered_and_signs_in_by_the_token() {
    let server = Server::with(&["--policy", "auth0"]);
    server.enroll();
    let plain = remembering(&server, &[], json!({ "remember_device": false }));
    assert_eq!((plain.body.get("device_token"), plain.header("set-cookie")), (None, None));
    let reply = remembering(&server, &[], json!({}));
    let owner = access(&reply);
    assert_eq!(reply.header("set-cookie"), None);
    let device = reply.body["device_token"].as_str().unwrap().to_owned();
    let left = reply.body["device_expires_in"].as_u64().unwrap();
    assert!((30 * 86_400 - 60..=30 * 86_400).contains(&left), "{left}");
    assert!(!server.log_mentions(&device), "a device's token is in the log");
    let rows = listed(&server, &[], &owner).body;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["current"], false);

    // Without the token, and with one that is none, a second factor is wanted as ever.
    for more in [json!({}), json!({ "device_token": "nothing" })] {
        let asked = password(&server, &[], more);
        assert_eq!((asked.status, asked.error()), (403, "mfa_required"));
        assert_eq!(asked.body.get("remembered_device"), None);
    }
    let asked = password(&server, &[], json!({ "device_token": device }));
    assert_eq!((asked.status, &asked.body["remembered_device"]), (403, &json!(true)));
    let by_device = |device: &str| {
        let body = json!({
            "grant_type": DEVICE_GRANT, "mfa_token": server.mfa_token(), "device_token": device,
            "audience": server.mfa_audience(), "scope": MFA_SCOPE,
        });
        server.token(&body)
    };
    let not_remembered = "The device is not remembered.";
    by_device("nothing").is_refused(403, "invalid_grant", not_remembered);
    let recognized = access(&by_device(&device));
    common::eventually("an event that names the device", || {
        let named = |line: &Value| line["command"] == "verify_device" && line["device"] == rows[0]["id"];
        server.audit().iter().any(|line| named(line) && line["reason"] == "accepted").then_some(())
    });
    // It proves no factor, and no token says that it did.
    let (_, signed) = claims(&json!(owner));
    assert_eq!(signed["amr"], json!(["pwd", "mca", "mfa"]));
    let (_, signed) = claims(&json!(recognized));
    assert_eq!(signed["amr"], json!(["pwd"]), "{signed}");
    let body = json!({ "grant_type": DEVICE_GRANT, "mfa_token": server.mfa_token(), "device_token": device });
    let reply = server.token(&body);
    for token in ["access_token", "id_token"] {
        let (_, signed) = claims(&reply.body[token]);
        assert_eq!(signed["amr"], json!(["pwd"]), "{token} {signed}");
    }
    // It reads, and changes nothing.
    assert_eq!(server.list(&recognized).status, 200);
    assert_eq!(listed(&server, &[], &recognized).status, 200);
    let id = rows[0]["id"].as_str().unwrap();
    let again = "A more recent authentication is required.";
    forget(&server, &[], &recognized, id).is_refused(401, "insufficient_user_authentication", again);
    let refused = server.associate(&recognized, "other@example.com");
    refused.is_refused(401, "insufficient_user_authentication", again);
    // Forgotten by its owner.
    for unknown in ["nothing", "device_0000000000000000"] {
        forget(&server, &[], &owner, unknown).is_refused(404, "invalid_request", "The device was not found.");
    }
    assert_eq!(forget(&server, &[], &owner, id).status, 204);
    by_device(&device).is_refused(403, "invalid_grant", not_remembered);
    common::eventually("a notice of it", || {
        let mailbox = server.get("/mailbox").body;
        let mut subjects = mailbox.as_array().unwrap().iter().map(|mail| mail["subject"].as_str().unwrap());
        subjects.any(|subject| subject.ends_with("A remembered device was forgotten")).then_some(())
    });
}

/// A page of this origin gets a cookie that no script reads, and no token in the body.
#[test]
fn a_page_of_this_origin_is_given_a_cookie_and_no_token() {
    let server = Server::with(&["--policy", "auth0"]);
    server.enroll();
    let own = [("Sec-Fetch-Site", "same-origin")];
    let reply = remembering(&server, &own, json!({}));
    let owner = access(&reply);
    assert_eq!((reply.body.get("device_token"), reply.body.get("device_expires_in")), (None, None));
    let set = reply.header("set-cookie").unwrap().to_owned();
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert!(pair.starts_with("countersign-device-") && !pair.contains("user"), "{pair}");
    assert!(
        attributes.starts_with("Path=/; Max-Age=25919") || attributes.starts_with("Path=/; Max-Age=2592000")
    );
    assert!(attributes.ends_with("; HttpOnly; SameSite=Strict"), "{attributes}");
    for site in ["cross-site", "same-site", "none"] {
        let reply = remembering(&server, &[("Sec-Fetch-Site", site)], json!({}));
        assert!(reply.body["device_token"].is_string() && reply.header("set-cookie").is_none(), "{site}");
    }
    let cookie = [("Cookie", pair)];
    let rows = listed(&server, &cookie, &owner).body;
    let current: Vec<_> = rows.as_array().unwrap().iter().filter(|row| row["current"] == true).collect();
    assert_eq!(current.len(), 1);
    let asked = password(&server, &cookie, json!({}));
    assert_eq!(asked.body["remembered_device"], true);
    // What a body says counts before a cookie.
    let asked = password(&server, &cookie, json!({ "device_token": "nothing" }));
    assert_eq!(asked.body.get("remembered_device"), None);
    let reply = forget(&server, &cookie, &owner, current[0]["id"].as_str().unwrap());
    assert_eq!(reply.status, 204);
    assert!(
        reply.header("set-cookie").unwrap().contains("=; Path=/; Max-Age=0"),
        "{:?}",
        reply.header("set-cookie")
    );
    let asked = password(&server, &cookie, json!({}));
    assert_eq!(asked.body.get("remembered_device"), None);
}

/// With https the cookie is this origin's alone.
#[test]
fn with_https_the_cookie_is_of_this_origin_alone() {
    let server = Server::with(&["--policy", "auth0", "--issuer", "https://id.example.com/"]);
    server.enroll();
    let more = json!({ "audience": "https://id.example.com/mfa/", "scope": "openid" });
    let reply = remembering(&server, &[("Sec-Fetch-Site", "same-origin")], more);
    let set = reply.header("set-cookie").unwrap_or_else(|| panic!("{} {}", reply.status, reply.text));
    assert!(set.starts_with("__Host-countersign-device-") && set.ends_with("; Secure"), "{set}");
}

/// Under the default policy a device is a lane and no second factor.
#[test]
fn where_the_policy_wants_a_code_each_time_a_device_completes_nothing() {
    let server = Server::with(&["--policy", "default"]);
    server.enroll();
    let reply = remembering(&server, &[], json!({}));
    let device = reply.body["device_token"].as_str().unwrap();
    let asked = password(&server, &[], json!({ "device_token": device }));
    assert_eq!(asked.body.get("remembered_device"), None);
    let body = json!({ "grant_type": DEVICE_GRANT, "mfa_token": server.mfa_token(), "device_token": device });
    let enough = "A remembered device is not enough. Use a second factor.";
    server.token(&body).is_refused(403, "invalid_grant", enough);
    let body = json!({
        "mfa_token": server.mfa_token(), "challenge_type": "oob", "device_token": device,
    });
    assert_eq!(server.post("/mfa/challenge", &as_demo(&body)).status, 200);
    common::eventually("a challenge on the device", || {
        let on_device = |line: &Value| line["command"] == "challenge" && line["device"].is_string();
        server.audit().iter().any(on_device).then_some(())
    });
}

#[test]
fn an_administrator_lists_and_forgets_devices() {
    let directory = Arc::new(Directory::new());
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    server.enroll();
    let run = |arguments: &[&str]| {
        let output = common::run(directory.path(), &[arguments, &["--json"]].concat());
        let json = serde_json_of(&output.stdout);
        (output.status.code(), json, String::from_utf8(output.stderr).unwrap())
    };
    let (code, none, _) = run(&["users", "devices", USER]);
    assert_eq!((code, &none["devices"]), (Some(0), &json!([])));
    let owner = access(&remembering(&server, &[], json!({})));
    let (_, shown, _) = run(&["users", "devices", USER]);
    assert_eq!(shown["email"], USER);
    let row = &shown["devices"][0];
    let id = row["id"].as_str().unwrap().to_owned();
    assert!(row["vouched_by"].as_str().unwrap().starts_with("email|dev_"));
    assert!(
        row["remembered_since"].is_string() && row["last_used"].is_string() && row["expires_at"].is_string()
    );
    let (code, done, _) = run(&["users", "forget-device", USER, &id]);
    assert_eq!((code, &done["device"]), (Some(0), &json!(id)));
    assert_eq!(server.list(&owner).status, 401, "sessions end");
    for unknown in [id.as_str(), "nonsense"] {
        let (code, _, told) = run(&["users", "forget-device", USER, unknown]);
        assert_eq!(code, Some(3));
        assert!(told.contains("has no remembered device"), "{told}");
    }
    let (_, left, _) = run(&["users", "devices", USER]);
    assert_eq!(left["devices"], json!([]));
}

fn serde_json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or(Value::Null)
}
