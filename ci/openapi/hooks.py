"""What the replay needs of a session: tokens that `journey.py` got, and the demonstration client."""

import itertools
import os

import schemathesis

MFA_TOKEN, ACCESS_TOKEN = os.environ["TOKENS"].split()
CLIENT = {"client_id": "demo", "client_secret": "demo-secret"}
FIRST_FACTOR = ("/mfa/associate",)
calls = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Half of the requests are authenticated, so that both the doors and what is behind them are tried."""
    if next(calls) % 2:
        return
    path = case.operation.path
    if path.startswith("/mfa/") and path != "/mfa/challenge":
        token = MFA_TOKEN if path in FIRST_FACTOR else ACCESS_TOKEN
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
    elif isinstance(case.body, dict) and path in ("/oauth/token", "/mfa/challenge"):
        case.body = {**case.body, **CLIENT}
        if "mfa_token" in case.body:
            case.body["mfa_token"] = MFA_TOKEN
