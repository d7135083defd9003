"""A whole journey against a running server: each reply must be one that the description has.

    journey.py URL DESCRIPTION     prints an mfa_token and an access token for the MFA audience, for the replay

Exit status 1 names the first reply that the description lacks: a status, a content type, or a body of another shape.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import jsonschema

URL, DESCRIPTION = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
GRANT = "http://auth0.com/oauth/grant-type/mfa-"
CLIENT = {"client_id": "demo", "client_secret": "demo-secret"}
PASSWORD = {"grant_type": "password", "username": "user@example.com", "password": "correct horse battery staple"}
seen = set()


def resolve(part):
    while "$ref" in part:
        name = part["$ref"]
        part = DESCRIPTION
        for step in name.removeprefix("#/").split("/"):
            part = part[step]
    return part


def check(method, template, status, content_type, text):
    responses = DESCRIPTION["paths"][template][method.lower()]["responses"]
    where = f"{method} {template}: {status}"
    if str(status) not in responses:
        sys.exit(f"{where} is not described")
    seen.add((method, template, status))
    content = resolve(responses[str(status)]).get("content", {})
    if not content and not text:
        return None
    kind = next((kind for kind in content if kind in (content_type, "*/*")), None)
    if kind is None:
        sys.exit(f"{where} has the content type {content_type!r}, which is not described")
    if content_type != "application/json":
        return text
    body = json.loads(text)
    schema = {**content[kind].get("schema", {}), "components": DESCRIPTION["components"]}
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(body))
    if problem is not None:
        sys.exit(f"{where}: {problem.message} at {problem.json_path} of {text}")
    return body


def call(method, template, body=None, token=None, form=False, headers=(), **places):
    path = template
    for name, value in places.items():
        path = path.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
    data = None
    headers = dict(headers)
    if body is not None:
        data = (urllib.parse.urlencode(body) if form else json.dumps(body)).encode()
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        headers.setdefault("Content-Type", kind)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(URL + path, data=data, method=method, headers=headers)
    try:
        reply = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        status, text = reply.status, reply.read().decode()
    return status, check(method, template.split("?")[0], status, reply.headers.get("Content-Type", ""), text)


def token(body, expected, **more):
    status, body = call("POST", "/oauth/token", {**CLIENT, **body}, **more)
    assert status == expected, (status, body)
    return body


def code():
    for _ in range(100):
        _, mails = call("GET", "/mailbox")
        lines = [line.strip() for mail in mails for line in mail["text"].splitlines()]
        codes = [line for line in lines if len(line) == 6 and line.isdigit()]
        if codes and codes[0] not in used:
            used.add(codes[0])
            return codes[0]
        time.sleep(0.1)
    sys.exit("no message with a code")


used = set()


def app_code(secret, steps):
    """What an app shows so many steps from now (RFC 6238)."""
    counter = (int(time.time()) // 30 + steps).to_bytes(8, "big")
    mac = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    return f"{(int.from_bytes(mac[mac[-1] & 15:][:4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def main():
    for path in ("/", "/healthz", "/metrics", "/demo/info", "/openapi.json", "/.well-known/jwks.json"):
        assert call("GET", path)[0] == 200
    assert call("GET", "/.well-known/openid-configuration")[0] == 200
    assert call("GET", "/page/{path}", path="nothing")[0] == 404
    mfa_token = token({**PASSWORD, "scope": "openid email"}, 403, form=True)["mfa_token"]
    token({**PASSWORD, "password": "wrong"}, 403)
    token({**PASSWORD, "audience": "https://elsewhere.example/"}, 400)
    token({**PASSWORD, "client_secret": "wrong"}, 401)
    token({"grant_type": "implicit"}, 400)
    assert call("POST", "/oauth/token", {}, headers={"Content-Type": "text/plain"})[0] == 415
    assert call("POST", "/oauth/token", {"x": "y" * 20_000})[0] == 413
    assert call("GET", "/mfa/authenticators")[0] == 401
    assert call("GET", "/mfa/authenticators", token=mfa_token)[0] == 200
    enroll = {"authenticator_types": ["oob"], "oob_channels": ["email"], "email": "user@example.com"}
    _, associated = call("POST", "/mfa/associate", enroll, token=mfa_token)
    assert call("POST", "/mfa/associate", {**enroll, "email": "x"}, token=mfa_token)[0] == 400
    answer = {"grant_type": GRANT + "oob", "mfa_token": mfa_token, "oob_code": associated["oob_code"]}
    token({**answer, "binding_code": "000000"}, 403)
    token({**answer, "binding_code": code()}, 200)
    mfa_token = token(PASSWORD, 403)["mfa_token"]
    challenge = {**CLIENT, "mfa_token": mfa_token, "challenge_type": "oob"}
    _, challenged = call("POST", "/mfa/challenge", challenge)
    assert call("POST", "/mfa/challenge", {**challenge, "mfa_token": "x"})[0] == 403
    answer = {"grant_type": GRANT + "oob", "mfa_token": mfa_token, "oob_code": challenged["oob_code"]}
    for_mfa = {"audience": f"{call('GET', '/demo/info')[1]['issuer']}mfa/"}
    for_mfa["scope"] = "enroll read:authenticators remove:authenticators"
    access_token = token({**answer, **for_mfa, "binding_code": code()}, 200)["access_token"]
    mfa_token = token(PASSWORD, 403)["mfa_token"]
    recovery = {"grant_type": GRANT + "recovery-code", "mfa_token": mfa_token}
    token({**recovery, "recovery_code": "A" * 24}, 403)
    token({**recovery, "recovery_code": associated["recovery_codes"][0]}, 200)
    mfa_token = token(PASSWORD, 403)["mfa_token"]
    token({"grant_type": GRANT + "otp", "mfa_token": mfa_token, "otp": "123456"}, 400)
    _, app = call("POST", "/mfa/associate", {"authenticator_types": ["otp"]}, token=access_token)
    assert call("POST", "/demo/barcode", {"text": app["barcode_uri"]})[0] == 200
    # The code of the step before confirms and the present one signs in: both are taken until this step ends.
    while time.time() % 30 > 20:
        time.sleep(0.1)
    confirm = {"grant_type": GRANT + "otp", "mfa_token": access_token}
    token({**confirm, "otp": app_code(app["secret"], -1)}, 200)
    _, listed = call("GET", "/mfa/authenticators", token=access_token)
    (named,) = [entry["id"] for entry in listed if entry["type"] == "otp"]
    challenge = {**CLIENT, "mfa_token": mfa_token, "challenge_type": "otp", "authenticator_id": named}
    _, challenged = call("POST", "/mfa/challenge", challenge)
    assert challenged["challenge_type"] == "otp", challenged
    token({"grant_type": GRANT + "otp", "mfa_token": mfa_token, "otp": app_code(app["secret"], 0)}, 200)
    mfa_token = token(PASSWORD, 403)["mfa_token"]
    _, listed = call("GET", "/mfa/authenticators", token=access_token)
    assert any("email" in entry for entry in listed)
    assert call("POST", "/mfa/recovery-codes", token=mfa_token)[0] == 403
    assert call("POST", "/mfa/recovery-codes", token=access_token)[0] == 200
    _, second = call("POST", "/mfa/associate", {**enroll, "email": "second@example.com"}, token=access_token)
    confirm = {"grant_type": GRANT + "oob", "mfa_token": access_token, "oob_code": second["oob_code"]}
    token({**confirm, "binding_code": code()}, 200)
    assert call("GET", "/demo/state?username=user@example.com")[0] == 200
    _, listed = call("GET", "/mfa/authenticators", token=access_token)
    (other,) = [entry["id"] for entry in listed if entry.get("email") == "second@example.com"]
    path = "/mfa/authenticators/{id}"
    for change in ({"name": "work mail"}, {"name": None}, {"preferred": True}, {"preferred": False}):
        assert call("PATCH", path, change, token=access_token, id=other)[0] == 204, change
    assert call("PATCH", path, {"name": "n" * 129}, token=access_token, id=other)[0] == 400
    first_factor = token(PASSWORD, 403)["mfa_token"]
    assert call("PATCH", path, {"name": "x"}, token=first_factor, id=other)[0] == 403
    assert call("PATCH", path, {"name": "x"}, id=other)[0] == 401
    assert call("PATCH", path, {"name": "x"}, token=access_token, id="nothing")[0] == 404
    assert call("DELETE", "/mfa/authenticators/{id}", token=access_token, id="nothing")[0] == 404
    assert call("DELETE", "/mfa/authenticators/{id}", token=access_token, id=other)[0] == 204
    mfa_token = token(PASSWORD, 403)["mfa_token"]
    print(f"{len(seen)} kinds of replies are as described", file=sys.stderr)
    print(mfa_token, access_token)


main()
