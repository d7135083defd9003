#!/usr/bin/env python3
"""Reference implementation and test vectors for the version 1 key derivations.

    python3 generate.py            write the JSON files beside this script
    python3 generate.py --check    compare them with what would be written

Only the standard library is used. Every sample byte is derived from a
descriptive string, so two runs always give the same files.

The parts, in order: primitives, derivations (one function each), sample
inputs, one function per JSON file, self-check, command line.
"""

import argparse
import base64
import hashlib
import hmac
import json
import sys
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent

VERSION = 1

LABELS = (
    "token",
    "oob",
    "binding",
    "proof",
    "link",
    "link-code",
    "recovery",
    "recovery-issue",
    "recovery-next",
    "destination",
    "device",
    "device-outer",
    "totp",
)

RECOVERY_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
RECOVERY_SYMBOLS = 24
BASE62_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DEVICE_ID_DIGITS = 16

U32_MAX = 2**32 - 1
# The largest integer that every JSON reader holds exactly.
EXACT_MAX = 2**53 - 1


# --------------------------------------------------------------------------
# Primitives
# --------------------------------------------------------------------------


def utf8(text):
    """The UTF-8 bytes of a text."""
    return text.encode("utf-8")


def u8(number):
    """One byte."""
    return number.to_bytes(1, "big")


def u32(number):
    """Four bytes, big-endian."""
    return number.to_bytes(4, "big")


def u64(number):
    """Eight bytes, big-endian."""
    return number.to_bytes(8, "big")


def field(value):
    """F(x): the length of x as four big-endian bytes, then x."""
    return u32(len(value)) + value


def fields(*values):
    """F(a) || F(b) || ..."""
    return b"".join(field(value) for value in values)


def base64url(value):
    """base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def sha256(message):
    """SHA-256, 32 bytes."""
    return hashlib.sha256(message).digest()


def hmac_sha256(key, message):
    """HMAC-SHA-256, 32 bytes."""
    return hmac.new(key, message, hashlib.sha256).digest()


# --------------------------------------------------------------------------
# Derivations
#
# A `..._message` function gives the exact bytes authenticated under a sub-key;
# the function that follows it turns the 32-byte MAC into the final value.
# --------------------------------------------------------------------------


def sub_key_message(label, context):
    """What the master key authenticates to give the sub-key of a label."""
    return fields(utf8("countersign/v1/" + label), utf8(context))


def sub_key(master_key, label, context):
    """The key that everything under `label` is authenticated with."""
    return hmac_sha256(master_key, sub_key_message(label, context))


def key_id(master_key, key_class, context):
    """What names a key of a class ("transient" or "durable") in a context, 4 bytes."""
    return sub_key(master_key, "id/" + key_class, context)[:4]


def token_payload(key_id, subject, client, audience, scope, transaction, epoch, begun, expires):
    """The readable part of an mfa_token."""
    return (
        u8(VERSION)
        + key_id
        + fields(utf8(subject), utf8(client), utf8(audience), utf8(scope))
        + transaction
        + u64(epoch)
        + u64(begun)
        + u64(expires)
    )


def token_message(payload):
    """The payload is a single field."""
    return fields(payload)


def token_text(payload, mac):
    """The mfa_token: payload and whole MAC."""
    return base64url(payload + mac)


def oob_tag(transaction):
    """The short form of a transaction carried by an oob_code."""
    return transaction[:8]


def oob_prefix(key_id, challenge_id, tag, issued, deadline):
    """The readable part of an oob_code, 45 bytes."""
    return u8(VERSION) + key_id + challenge_id + tag + u64(issued) + u64(deadline)


def oob_message(subject, prefix):
    return fields(utf8(subject), prefix)


def oob_text(prefix, mac):
    """The oob_code: prefix and the first 20 bytes of the MAC, 87 characters."""
    return base64url(prefix + mac[:20])


def binding_message(
    subject,
    authenticator_id,
    channel,
    address,
    transaction,
    challenge_id,
    purpose,
    purpose_digest,
    purpose_label,
    generation,
    digits,
    seed,
):
    return fields(
        utf8(subject),
        utf8(authenticator_id),
        utf8(channel),
        utf8(address),
        transaction,
        challenge_id,
        utf8(purpose) + purpose_digest + utf8(purpose_label),
        u32(generation),
        u8(digits),
        seed,
    )


def binding_code(mac, digits):
    """A short code: the first 8 bytes as a number, reduced to `digits` decimal digits.

    A long one has 20: the first two times 8 bytes, each reduced to 10.
    """
    if digits == LONG_DIGITS:
        return binding_code(mac[:8], 10) + binding_code(mac[8:16], 10)
    number = int.from_bytes(mac[:8], "big") % 10**digits
    return str(number).zfill(digits)


def proof_stamp(key_id, proof_id, issued, deadline):
    """What a proof handle and a link begin with, 37 bytes."""
    return u8(VERSION) + key_id + proof_id + u64(issued) + u64(deadline)


def proof_message(kind, subject, purpose, stamp):
    """The outer tag of a handle or a link; `kind` is "handle" or "link"."""
    return fields(utf8(kind), utf8(subject), utf8(purpose), stamp)


def proof_handle_text(stamp, mac):
    """The handle: stamp and the first 20 bytes of the MAC, 76 characters."""
    return base64url(stamp + mac[:20])


def link_message(stamp, subject, address, purpose, generation, seed):
    """What a link, and the long code beside it, are bound to."""
    return fields(stamp, utf8(subject), utf8(address), utf8(purpose), u32(generation), seed)


def link_text(stamp, outer_mac, mac):
    """The token of a link: stamp, outer tag and the first 16 bytes of the MAC, 98 characters."""
    return base64url(stamp + outer_mac[:20] + mac[:16])


def device_prefix(key_id, device_id, expires):
    """What the token of a remembered device begins with, 29 bytes."""
    return u8(VERSION) + key_id + device_id.encode("ascii") + u64(expires)


def device_message(subject, prefix, seed):
    """The inner tag: it takes the record's seed."""
    return fields(utf8(subject), prefix, seed)


def device_outer_message(subject, prefix):
    """The outer tag: it takes no record."""
    return fields(utf8(subject), prefix)


def device_text(prefix, mac, outer_mac):
    """The token: prefix, inner and outer tag of 20 bytes each, 92 characters."""
    return base64url(prefix + mac[:20] + outer_mac[:20])


def recovery_symbols(mac):
    """The first 15 bytes as 24 symbols of five bits, most significant first."""
    number = int.from_bytes(mac[:15], "big")
    symbols = []
    for position in range(RECOVERY_SYMBOLS):
        shift = 5 * (RECOVERY_SYMBOLS - 1 - position)
        symbols.append(RECOVERY_ALPHABET[(number >> shift) & 31])
    return "".join(symbols)


def recovery_issue_message(subject, authenticator_id, seed, index):
    return fields(utf8(subject), utf8(authenticator_id), seed, u32(index))


def recovery_next_message(subject, recovery_id, transaction, presented):
    return fields(utf8(subject), utf8(recovery_id), transaction, presented.encode("ascii"))


def recovery_hash_message(subject, code):
    return fields(utf8(subject), code.encode("ascii"))


def totp_message(subject, authenticator_id, seed, block):
    return fields(utf8(subject), utf8(authenticator_id), seed, u32(block))


def base32(value):
    """Base32 without padding."""
    return base64.b32encode(value).rstrip(b"=").decode("ascii")


# The hash of each algorithm, and how many bytes a secret has.
ALGORITHMS = {
    "SHA1": (hashlib.sha1, 20),
    "SHA256": (hashlib.sha256, 32),
    "SHA512": (hashlib.sha512, 64),
}


def hotp(secret, algorithm, digits, counter):
    """RFC 4226 section 5.3, with the hashes of RFC 6238."""
    mac = hmac.new(secret, u64(counter), ALGORITHMS[algorithm][0]).digest()
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def key_uri(kind, issuer, account, secret, algorithm, digits, moving):
    """The Key URI: everything is escaped but what RFC 3986 reserves for nothing, and the @ of a name."""
    name = {"totp": "period", "hotp": "counter"}[kind]
    label = urllib.parse.quote(issuer, safe="@") + ":" + urllib.parse.quote(account, safe="@")
    query = [
        ("secret", base32(secret)),
        ("issuer", issuer),
        ("algorithm", algorithm),
        ("digits", str(digits)),
        (name, str(moving)),
    ]
    query = "&".join(key + "=" + urllib.parse.quote(value, safe="@") for key, value in query)
    return "otpauth://" + kind + "/" + label + "?" + query


def counting_form(channel, address):
    """The form in which messages to one mailbox or number are one, however it is written."""
    if channel != "email":
        return "".join(c for c in address if c in "0123456789")
    local, domain = address.split("@")
    mailbox = local.split("+")[0] or local
    return "".join(c.lower() if c.isascii() else c for c in f"{mailbox}@{domain}")


def destination_message(channel, address):
    return fields(utf8(channel), utf8(counting_form(channel, address)))


def destination_key(mac):
    """The first 16 bytes of the MAC."""
    return mac[:16]


def effect_message(subject, kind, reference, sends):
    """What is hashed for an effect id. `sends` is None when absent."""
    sends_bytes = b"" if sends is None else u32(sends)
    return fields(
        utf8("countersign/v1/effect"),
        utf8(subject),
        utf8(kind),
        reference,
        sends_bytes,
    )


def effect_id(digest):
    """The first 16 bytes of the digest."""
    return digest[:16]


def notify_reference(authenticator_id, revision):
    """The reference of a `notify-` effect: the two parts without framing."""
    return utf8(authenticator_id) + u64(revision)


def tenant_message(context):
    """What is hashed for the tag that a record carries of its context."""
    return fields(utf8("countersign/v1/tenant"), utf8(context))


def tenant_tag(digest):
    """The first 8 bytes of the digest."""
    return digest[:8]


def device_id(random):
    """16 random bytes as 16 base-62 digits, most significant first."""
    number = int.from_bytes(random, "big") % 62**DEVICE_ID_DIGITS
    digits = []
    for position in range(DEVICE_ID_DIGITS):
        weight = 62 ** (DEVICE_ID_DIGITS - 1 - position)
        digits.append(BASE62_ALPHABET[(number // weight) % 62])
    return "".join(digits)


# --------------------------------------------------------------------------
# Sample inputs
# --------------------------------------------------------------------------


def sample(description, length):
    """`length` bytes: SHA-256 of "description/0", "description/1", ..."""
    output = b""
    block = 0
    while len(output) < length:
        output += sha256(utf8("%s/%d" % (description, block)))
        block += 1
    return output[:length]


def sample_code(description):
    """A recovery code of 24 symbols."""
    return recovery_symbols(sample(description, 15))


ZEROS_16 = bytes(16)
ONES_16 = b"\xff" * 16

CONTEXT = "https://tenant.example.com/"
CONTEXT_UNICODE = "b\u00fccher.example/\u65e5\u672c\u8a9e/\U0001f511"

KEY_32 = sample("master key of 32 bytes", 32)
KEY_64 = sample("master key of 64 bytes", 64)
KEY_65 = sample("master key of 65 bytes", 65)
KEY_100 = sample("master key of 100 bytes", 100)
KEY_ZEROS = bytes(32)
KEY_ONES = b"\xff" * 64

SUBJECT = "auth0|5f7c8ec7c33c6c004bbafe82"
SUBJECT_1 = "u"
SUBJECT_255 = "auth0|" + "0123456789abcdef" * 15 + "012345678"
SUBJECT_UNICODE = "b\u00fccher|\u30e6\u30fc\u30b6\u30fc-1"

EMAIL_ID = "email|dev_0123456789ABCDEF"
EMAIL_ID_OTHER = "email|dev_zyxwvutsrqponmlk"
SMS_ID = "sms|dev_0123456789ABCDEF"
VOICE_ID = "voice|dev_0123456789ABCDEF"
TOTP_ID = "totp|dev_0123456789ABCDEF"
HOTP_ID = "hotp|dev_0123456789ABCDEF"
RECOVERY_ID = "recovery-code|dev_0123456789ABCDEF"
RECOVERY_ID_OTHER = "recovery-code|dev_zyxwvutsrqponmlk"

ADDRESS = "user-1@example.com"
ADDRESS_UNICODE = "j\u00fcrgen+\u6771\u4eac@b\u00fccher.example"
ADDRESS_254 = "a" * 64 + "@" + ("b" * 62 + ".") * 2 + "c" * 51 + ".example.com"
PHONE = "+12025550143"

ACTION_LABEL_32 = "approve-wire-transfer-over-limit"

DIGEST = sample("digest of an action", 32)
DIGEST_OTHER = sample("digest of another action", 32)

TRANSACTION = sample("transaction", 16)
TRANSACTION_OTHER = sample("another transaction", 16)
CHALLENGE = sample("challenge id", 16)
CHALLENGE_OTHER = sample("another challenge id", 16)
SEED = sample("seed", 16)
SEED_OTHER = sample("another seed", 16)

# 2024-01-01T00:00:00Z and five minutes later, in milliseconds.
EPOCH = 1704067100
BEGUN = 1704067200000
EXPIRES = BEGUN + 300000


# --------------------------------------------------------------------------
# Cases
# --------------------------------------------------------------------------

KEY_DEFAULTS = {"context": CONTEXT, "master_key": KEY_32}

# The class of the key that everything under a label is made with.
CLASS_OF_LABEL = {
    "token": "transient",
    "oob": "transient",
    "binding": "transient",
    "proof": "transient",
    "link": "transient",
    "link-code": "transient",
    "recovery": "durable",
    "recovery-issue": "durable",
    "recovery-next": "durable",
    "destination": "durable",
    "device": "durable",
    "device-outer": "durable",
    "totp": "durable",
}


def with_defaults(defaults, changes):
    """`defaults` with `changes` made, refusing a name that is not an input."""
    for name in changes:
        if name not in defaults:
            raise ValueError("unknown input: " + name)
    return {**defaults, **changes}


def to_json(value):
    """Byte strings become lower-case hex; texts, numbers and None stay."""
    return value.hex() if isinstance(value, bytes) else value


def case(name, **members):
    """One case of a file, ready for JSON."""
    result = {"name": name}
    for member, value in members.items():
        result[member] = to_json(value)
    return result


def key_id_of(label, keys):
    """The id of the case's key in the class of its label."""
    return key_id(keys["master_key"], CLASS_OF_LABEL[label], keys["context"])


def keyed_members(label, keys, message):
    """The members that every keyed case has, and the MAC they lead to."""
    key = sub_key(keys["master_key"], label, keys["context"])
    mac = hmac_sha256(key, message)
    members = {
        "context": keys["context"],
        "master_key": keys["master_key"],
        "key_id": key_id_of(label, keys),
        "label": label,
        "sub_key": key,
        "message": message,
        "mac": mac,
    }
    return members, mac


def split_keys(inputs):
    """Separate the two key inputs from the others."""
    keys = {name: inputs[name] for name in KEY_DEFAULTS}
    rest = {name: value for name, value in inputs.items() if name not in keys}
    return keys, rest


def require(condition, message):
    """Stop the run when something that must hold does not."""
    if not condition:
        raise RuntimeError(message)


def require_distinct(cases):
    """No two cases of a file may agree in their output."""
    outputs = [entry["output"] for entry in cases]
    require(len(set(outputs)) == len(outputs), "two cases have the same output")


# ---- sub_key.json


def sub_key_case(name, label, context, master_key):
    key = sub_key(master_key, label, context)
    return case(
        name,
        label=label,
        context=context,
        master_key=master_key,
        sub_key_message=sub_key_message(label, context),
        sub_key=key,
        output=key,
    )


def sub_key_cases():
    cases = [
        sub_key_case("label %s" % label, label, CONTEXT, KEY_32) for label in LABELS
    ]
    cases += [
        sub_key_case("empty context", "token", "", KEY_32),
        sub_key_case("unicode context", "oob", CONTEXT_UNICODE, KEY_32),
        sub_key_case("master key of 64 bytes", "binding", CONTEXT, KEY_64),
        sub_key_case("master key of 65 bytes", "recovery", CONTEXT, KEY_65),
        sub_key_case("master key of 100 bytes", "destination", CONTEXT, KEY_100),
        sub_key_case("all-zero master key of 32 bytes", "totp", "", KEY_ZEROS),
        sub_key_case("all-ff master key of 64 bytes", "totp", "", KEY_ONES),
    ]
    require_distinct(cases)
    return cases


# ---- key_id.json


def key_id_case(name, key_class, context, master_key):
    label = "id/" + key_class
    return case(
        name,
        **{"class": key_class},
        context=context,
        master_key=master_key,
        sub_key_message=sub_key_message(label, context),
        sub_key=sub_key(master_key, label, context),
        output=key_id(master_key, key_class, context),
    )


def key_id_cases():
    cases = []
    for key_class in ("transient", "durable"):
        cases += [
            key_id_case(key_class, key_class, CONTEXT, KEY_32),
            key_id_case(key_class + ", empty context", key_class, "", KEY_32),
            key_id_case(key_class + ", unicode context", key_class, CONTEXT_UNICODE, KEY_32),
            key_id_case(key_class + ", key of 64 bytes", key_class, CONTEXT, KEY_64),
            key_id_case(key_class + ", key of 65 bytes", key_class, CONTEXT, KEY_65),
            key_id_case(key_class + ", key of 100 bytes", key_class, CONTEXT, KEY_100),
        ]
    require_distinct(cases)
    return cases


# ---- mfa_token.json

TOKEN_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "client": "client-1",
    "audience": "https://api.example.com/",
    "scope": "openid profile",
    "transaction": TRANSACTION,
    "epoch": EPOCH,
    "begun": BEGUN,
    "expires": EXPIRES,
}


def token_case(name, **changes):
    keys, inputs = split_keys(with_defaults(TOKEN_DEFAULTS, changes))
    payload = token_payload(key_id_of("token", keys), **inputs)
    members, mac = keyed_members("token", keys, token_message(payload))
    return case(name, **members, **inputs, payload=payload, output=token_text(payload, mac))


def mfa_token_cases():
    cases = [
        token_case("typical"),
        token_case("absent client", client=""),
        token_case("absent audience", audience=""),
        token_case("absent audience and empty scope", audience="", scope=""),
        token_case(
            "byte boundary, subject and client, first of the pair",
            subject="user-1",
            client="2client",
        ),
        token_case(
            "byte boundary, subject and client, second of the pair",
            subject="user-12",
            client="client",
        ),
        token_case(
            "byte boundary, audience and scope, first of the pair",
            audience="",
            scope="openid",
        ),
        token_case(
            "byte boundary, audience and scope, second of the pair",
            audience="o",
            scope="penid",
        ),
        token_case("empty context", context=""),
        token_case("unicode context", context=CONTEXT_UNICODE),
        token_case("subject of 1 byte, key of 64 bytes", subject=SUBJECT_1, master_key=KEY_64),
        token_case(
            "subject of 255 bytes, key of 65 bytes", subject=SUBJECT_255, master_key=KEY_65
        ),
        token_case(
            "unicode subject, key of 100 bytes", subject=SUBJECT_UNICODE, master_key=KEY_100
        ),
        token_case(
            "all-zero transaction, begun at 0",
            transaction=ZEROS_16,
            epoch=0,
            begun=0,
            expires=300000,
        ),
        token_case(
            "all-ff transaction, expires at 2^53-1",
            transaction=ONES_16,
            epoch=EXACT_MAX,
            begun=EXACT_MAX - 300000,
            expires=EXACT_MAX,
        ),
    ]
    require_distinct(cases)
    # The pairs hold the same bytes in the same order; only the framing differs.
    for first, second in ((cases[4], cases[5]), (cases[6], cases[7])):
        texts = ("subject", "client", "audience", "scope")
        joined = ["".join(entry[name] for name in texts[:2]) for entry in (first, second)]
        require(joined[0] == joined[1], "a boundary pair differs in subject and client")
        joined = ["".join(entry[name] for name in texts[2:]) for entry in (first, second)]
        require(joined[0] == joined[1], "a boundary pair differs in audience and scope")
        require(first["mac"] != second["mac"], "a boundary pair has one MAC")
    return cases


# ---- oob_code.json

OOB_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "challenge_id": CHALLENGE,
    "transaction": TRANSACTION,
    "issued": BEGUN,
    "deadline": EXPIRES,
}


def oob_case(name, **changes):
    keys, inputs = split_keys(with_defaults(OOB_DEFAULTS, changes))
    tag = oob_tag(inputs["transaction"])
    prefix = oob_prefix(
        key_id_of("oob", keys),
        inputs["challenge_id"],
        tag,
        inputs["issued"],
        inputs["deadline"],
    )
    message = oob_message(inputs["subject"], prefix)
    members, mac = keyed_members("oob", keys, message)
    output = oob_text(prefix, mac)
    require(len(output) == 87, "an oob_code is not 87 characters")
    return case(name, **members, **inputs, tag=tag, prefix=prefix, output=output)


def oob_code_cases():
    cases = [
        oob_case("typical"),
        oob_case("another subject, same prefix", subject="user-1"),
        oob_case("subject of 1 byte", subject=SUBJECT_1),
        oob_case("subject of 255 bytes", subject=SUBJECT_255),
        oob_case("unicode subject", subject=SUBJECT_UNICODE),
        oob_case("empty context", context=""),
        oob_case("unicode context", context=CONTEXT_UNICODE),
        oob_case("key of 64 bytes", master_key=KEY_64),
        oob_case("key of 65 bytes", master_key=KEY_65),
        oob_case("key of 100 bytes", master_key=KEY_100),
        oob_case(
            "all-zero challenge id and transaction, deadline at 0",
            challenge_id=ZEROS_16,
            transaction=ZEROS_16,
            issued=0,
            deadline=0,
        ),
        oob_case(
            "all-ff challenge id and transaction, deadline at 2^53-1",
            challenge_id=ONES_16,
            transaction=ONES_16,
            issued=EXACT_MAX,
            deadline=EXACT_MAX,
        ),
        oob_case("deadline at 0", issued=0, deadline=0),
        oob_case("deadline at 2^53-1", deadline=EXACT_MAX),
        oob_case("issued at 0", issued=0),
        oob_case("issued a millisecond before the deadline", issued=EXPIRES - 1),
    ]
    require_distinct(cases)
    return cases


# ---- binding_code.json

LONG_DIGITS = 20

BINDING_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "authenticator_id": EMAIL_ID,
    "channel": "email",
    "address": ADDRESS,
    "transaction": TRANSACTION,
    "challenge_id": CHALLENGE,
    "purpose": "authenticate",
    "purpose_digest": b"",
    "purpose_label": "",
    "generation": 1,
    "digits": 6,
    "seed": SEED,
}


def binding_case(name, **changes):
    keys, inputs = split_keys(with_defaults(BINDING_DEFAULTS, changes))
    members, mac = keyed_members("binding", keys, binding_message(**inputs))
    return case(name, **members, **inputs, output=binding_code(mac, inputs["digits"]))


def binding_case_with_zeros(zeros, digits):
    """The first counter n whose seed gives a code that starts with `zeros`.

    The seed is sample("leading zeros, candidate n", 16), n = 0, 1, 2, ...
    """
    candidate = 0
    while True:
        name = "seed searched for (candidate %d): %d digits, starting %s" % (
            candidate,
            digits,
            zeros,
        )
        seed = sample("leading zeros, candidate %d" % candidate, 16)
        found = binding_case(name, seed=seed, digits=digits)
        if found["output"].startswith(zeros):
            return found
        candidate += 1


def binding_code_cases():
    cases = [
        binding_case("typical, 6 digits"),
        binding_case("7 digits, generation 0", digits=7, generation=0),
        binding_case("8 digits, generation 2^32-1", digits=8, generation=U32_MAX),
        binding_case("9 digits, purpose confirm", digits=9, purpose="confirm"),
        binding_case_with_zeros("0", 6),
        binding_case_with_zeros("00", 9),
        binding_case("a long code", digits=LONG_DIGITS),
        binding_case("a long code that confirms", digits=LONG_DIGITS, purpose="confirm"),
        binding_case_with_zeros("0", LONG_DIGITS),
        binding_case(
            "an action with a label of 32 bytes",
            purpose="action:",
            purpose_digest=DIGEST,
            purpose_label=ACTION_LABEL_32,
        ),
        binding_case(
            "the same action with another digest",
            purpose="action:",
            purpose_digest=DIGEST_OTHER,
            purpose_label=ACTION_LABEL_32,
        ),
        binding_case(
            "an action with a label of 1 byte and a digest of zeros",
            purpose="action:",
            purpose_digest=bytes(32),
            purpose_label="a",
        ),
        binding_case("channel sms", authenticator_id=SMS_ID, channel="sms", address=PHONE),
        binding_case("channel voice", authenticator_id=VOICE_ID, channel="voice", address=PHONE),
        binding_case(
            "unicode address, empty context",
            address=ADDRESS_UNICODE,
            context="",
        ),
        binding_case(
            "subject of 1 byte, unicode context",
            subject=SUBJECT_1,
            context=CONTEXT_UNICODE,
        ),
        binding_case(
            "subject of 255 bytes, key of 64 bytes", subject=SUBJECT_255, master_key=KEY_64
        ),
        binding_case(
            "all-zero transaction, challenge id and seed, key of 65 bytes",
            transaction=ZEROS_16,
            challenge_id=ZEROS_16,
            seed=ZEROS_16,
            master_key=KEY_65,
        ),
        binding_case(
            "all-ff transaction, challenge id and seed, key of 100 bytes",
            transaction=ONES_16,
            challenge_id=ONES_16,
            seed=ONES_16,
            master_key=KEY_100,
        ),
    ]
    require_distinct(cases)
    return cases


# ---- proof_handle.json, proof_link.json, link_code.json

PROOF_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "purpose": "reset",
    "proof_id": CHALLENGE,
    "issued": BEGUN,
    "deadline": EXPIRES,
}

LINK_DEFAULTS = {**PROOF_DEFAULTS, "address": ADDRESS, "generation": 0, "seed": SEED}

PROOF_CHANGES = (
    ("typical", {}),
    ("the other purpose", {"purpose": "confirm"}),
    ("another subject", {"subject": "user-1"}),
    ("subject of 255 bytes", {"subject": SUBJECT_255}),
    ("unicode subject", {"subject": SUBJECT_UNICODE}),
    ("empty context", {"context": ""}),
    ("key of 65 bytes", {"master_key": KEY_65}),
    ("another proof id", {"proof_id": CHALLENGE_OTHER}),
    ("all-zero proof id, times at 0", {"proof_id": ZEROS_16, "issued": 0, "deadline": 0}),
    (
        "all-ff proof id, times at 2^53-1",
        {"proof_id": ONES_16, "issued": EXACT_MAX, "deadline": EXACT_MAX},
    ),
    ("issued a millisecond before the deadline", {"issued": EXPIRES - 1}),
)

LINK_CHANGES = PROOF_CHANGES + (
    ("another address", {"address": "user-2@example.com"}),
    ("address of 254 bytes", {"address": ADDRESS_254}),
    ("unicode address", {"address": ADDRESS_UNICODE}),
    ("generation 1", {"generation": 1}),
    ("generation 2^32-1", {"generation": U32_MAX}),
    ("another seed", {"seed": SEED_OTHER}),
    ("all-zero seed", {"seed": ZEROS_16}),
)


def stamp_of(label, keys, inputs):
    names = ("proof_id", "issued", "deadline")
    return proof_stamp(key_id_of(label, keys), *(inputs[name] for name in names))


def proof_handle_case(name, **changes):
    keys, inputs = split_keys(with_defaults(PROOF_DEFAULTS, changes))
    stamp = stamp_of("proof", keys, inputs)
    message = proof_message("handle", inputs["subject"], inputs["purpose"], stamp)
    members, mac = keyed_members("proof", keys, message)
    output = proof_handle_text(stamp, mac)
    require(len(output) == 76, "a proof handle is not 76 characters")
    return case(name, **members, **inputs, stamp=stamp, output=output)


def link_members(label, changes):
    keys, inputs = split_keys(with_defaults(LINK_DEFAULTS, changes))
    stamp = stamp_of(label, keys, inputs)
    names = ("subject", "address", "purpose", "generation", "seed")
    message = link_message(stamp, *(inputs[name] for name in names))
    members, mac = keyed_members(label, keys, message)
    return keys, inputs, stamp, members, mac


def proof_link_case(name, **changes):
    keys, inputs, stamp, members, mac = link_members("link", changes)
    outer_message = proof_message("link", inputs["subject"], inputs["purpose"], stamp)
    outer_mac = keyed_members("proof", keys, outer_message)[1]
    output = link_text(stamp, outer_mac, mac)
    require(len(output) == 98, "a link token is not 98 characters")
    return case(
        name, **members, **inputs, stamp=stamp, outer_message=outer_message, outer_mac=outer_mac, output=output
    )


def link_code_case(name, **changes):
    _, inputs, stamp, members, mac = link_members("link-code", changes)
    return case(name, **members, **inputs, stamp=stamp, output=binding_code(mac, LONG_DIGITS))


def proof_handle_cases():
    cases = [proof_handle_case(name, **changes) for name, changes in PROOF_CHANGES]
    require_distinct(cases)
    return cases


def proof_link_cases():
    cases = [proof_link_case(name, **changes) for name, changes in LINK_CHANGES]
    require_distinct(cases)
    return cases


def link_code_cases():
    cases = [link_code_case(name, **changes) for name, changes in LINK_CHANGES]
    require_distinct(cases)
    return cases


# ---- device_token.json

DEVICE_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "device_id": "0123456789ABCDef",
    "expires": BEGUN + 90 * 86_400_000,
    "seed": SEED,
}


def device_token_case(name, **changes):
    keys, inputs = split_keys(with_defaults(DEVICE_DEFAULTS, changes))
    named = key_id(keys["master_key"], "durable", keys["context"])
    prefix = device_prefix(named, inputs["device_id"], inputs["expires"])
    members, mac = keyed_members("device", keys, device_message(inputs["subject"], prefix, inputs["seed"]))
    outer_message = device_outer_message(inputs["subject"], prefix)
    outer_mac = keyed_members("device-outer", keys, outer_message)[1]
    output = device_text(prefix, mac, outer_mac)
    require(len(output) == 92, "a device token is not 92 characters")
    return case(
        name, **members, **inputs, prefix=prefix, outer_message=outer_message, outer_mac=outer_mac, output=output
    )


def device_token_cases():
    cases = [
        device_token_case("typical"),
        device_token_case("another device", device_id="zzzzzzzzzzzzzzzz"),
        device_token_case("another seed", seed=SEED_OTHER),
        device_token_case("all-zero seed, expires at 0", seed=ZEROS_16, expires=0),
        device_token_case("all-ff seed, the latest expiry", seed=ONES_16, expires=EXACT_MAX),
        device_token_case("one millisecond later", expires=BEGUN + 90 * 86_400_000 + 1),
        device_token_case("empty context", context=""),
        device_token_case("unicode context", context=CONTEXT_UNICODE),
        device_token_case("subject of 1 byte, key of 64 bytes", subject=SUBJECT_1, master_key=KEY_64),
        device_token_case("subject of 255 bytes, key of 65 bytes", subject=SUBJECT_255, master_key=KEY_65),
        device_token_case("unicode subject, key of 100 bytes", subject=SUBJECT_UNICODE, master_key=KEY_100),
    ]
    require_distinct(cases)
    return cases


# ---- recovery_issue.json

ISSUE_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "authenticator_id": EMAIL_ID,
    "seed": SEED,
    "index": 0,
}


def issue_case(name, **changes):
    keys, inputs = split_keys(with_defaults(ISSUE_DEFAULTS, changes))
    members, mac = keyed_members("recovery-issue", keys, recovery_issue_message(**inputs))
    return case(name, **members, **inputs, output=recovery_symbols(mac))


def recovery_issue_cases():
    cases = [
        issue_case("typical, index 0"),
        issue_case("index 1", index=1),
        issue_case("index 9", index=9),
        issue_case("index 2^32-1", index=U32_MAX),
        issue_case("id of a recovery code", authenticator_id=RECOVERY_ID),
        issue_case("another authenticator id", authenticator_id=EMAIL_ID_OTHER),
        issue_case("all-zero seed", seed=ZEROS_16),
        issue_case("all-ff seed", seed=ONES_16),
        issue_case("empty context", context=""),
        issue_case("unicode context", context=CONTEXT_UNICODE),
        issue_case("subject of 1 byte, key of 64 bytes", subject=SUBJECT_1, master_key=KEY_64),
        issue_case(
            "subject of 255 bytes, key of 65 bytes", subject=SUBJECT_255, master_key=KEY_65
        ),
        issue_case(
            "unicode subject, another seed, key of 100 bytes",
            subject=SUBJECT_UNICODE,
            seed=SEED_OTHER,
            master_key=KEY_100,
        ),
    ]
    require_distinct(cases)
    return cases


# ---- totp.json

TOTP_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "authenticator_id": TOTP_ID,
    "seed": SEED,
    "algorithm": "SHA1",
}


def totp_case(name, **changes):
    keys, inputs = split_keys(with_defaults(TOTP_DEFAULTS, changes))
    length = ALGORITHMS[inputs["algorithm"]][1]
    whose = (inputs["subject"], inputs["authenticator_id"], inputs["seed"])
    members, mac = keyed_members("totp", keys, totp_message(*whose, 0))
    second = hmac_sha256(members["sub_key"], totp_message(*whose, 1))
    secret = (mac + second)[:length]
    return case(name, **members, **inputs, secret_base32=base32(secret), output=secret)


def totp_cases():
    cases = [
        totp_case("typical"),
        totp_case("32 bytes", algorithm="SHA256", seed=SEED_OTHER),
        totp_case("64 bytes, in two blocks", algorithm="SHA512"),
        totp_case("an authenticator with a counter", authenticator_id=HOTP_ID),
        totp_case("all-zero seed", seed=ZEROS_16),
        totp_case("all-ff seed", seed=ONES_16),
        totp_case("empty context", context=""),
        totp_case("unicode context", context=CONTEXT_UNICODE),
        totp_case("subject of 1 byte, key of 64 bytes", subject=SUBJECT_1, master_key=KEY_64),
        totp_case("subject of 255 bytes, key of 65 bytes", subject=SUBJECT_255, master_key=KEY_65),
        totp_case(
            "unicode subject, another seed, key of 100 bytes, 64 bytes",
            subject=SUBJECT_UNICODE,
            seed=SEED_OTHER,
            master_key=KEY_100,
            algorithm="SHA512",
        ),
    ]
    require_distinct(cases)
    return cases


# ---- otp_code.json

# The secrets of RFC 4226 appendix D and of the reference code of RFC 6238 (erratum 2866).
RFC_SECRETS = {
    algorithm: (b"1234567890" * 7)[:length] for algorithm, (_, length) in ALGORITHMS.items()
}

RFC_4226 = (
    "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489"
).split()

RFC_6238 = (
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
)


def code_case(name, algorithm, digits, counter, secret=None):
    secret = RFC_SECRETS[algorithm] if secret is None else secret
    return case(
        name,
        secret=secret,
        algorithm=algorithm,
        digits=digits,
        # A text: not every JSON reader holds 2^64-1 exactly.
        counter=str(counter),
        output=hotp(secret, algorithm, digits, counter),
    )


def otp_code_cases():
    cases = [
        code_case("RFC 4226 appendix D, count %d" % count, "SHA1", 6, count)
        for count in range(len(RFC_4226))
    ]
    cases += [
        code_case("RFC 6238 appendix B, %s at %d s" % (algorithm, row[0]), algorithm, 8, row[0] // 30)
        for row in RFC_6238
        for algorithm in ALGORITHMS
    ]
    for algorithm in ALGORITHMS:
        for digits in (6, 7, 8):
            cases += [
                code_case("%s, %d digits, %s" % (algorithm, digits, name), algorithm, digits, counter)
                for name, counter in (
                    ("count 2^32-1", 2**32 - 1),
                    ("count 2^32", 2**32),
                    ("count 2^32+1", 2**32 + 1),
                    ("the last count", 2**64 - 1),
                )
            ]
    # One in a thousand codes has three leading zeros: the first count that gives one.
    zeros = next(count for count in range(10**6) if hotp(SEED, "SHA1", 6, count).startswith("000"))
    cases.append(code_case("three leading zeros, secret of 16 bytes", "SHA1", 6, zeros, SEED))
    return cases


# ---- key_uri.json

URI_DEFAULTS = {
    "kind": "totp",
    "issuer": "Example",
    "account": "alice@example.com",
    "secret": RFC_SECRETS["SHA1"],
    "algorithm": "SHA1",
    "digits": 6,
    "moving": 30,
}


def uri_case(name, **changes):
    inputs = with_defaults(URI_DEFAULTS, changes)
    return case(name, **inputs, output=key_uri(**inputs))


def key_uri_cases():
    sha512 = {"algorithm": "SHA512", "secret": RFC_SECRETS["SHA512"]}
    cases = [
        uri_case("typical"),
        uri_case("SHA-256, 7 digits", algorithm="SHA256", digits=7, secret=RFC_SECRETS["SHA256"]),
        uri_case("SHA-512, 8 digits, 60 s", digits=8, moving=60, **sha512),
        uri_case("a counter", kind="hotp", moving=0),
        uri_case("a space, an ampersand and a slash", issuer="ACME & Co/EU", account="a b/c"),
        uri_case("what a query and a fragment begin with", issuer="What?", account="#1 = 100%+"),
        uri_case("Unicode", issuer="B\u00fccher \u65e5\u672c", account="j\u00fcrgen@example.com"),
        uri_case("marks that stay", issuer="a-b.c_d~e", account="A-Z@0.9"),
        uri_case("quotes and brackets", issuer="\"<'>\"", account="[a]{b}|c^d`e\\f"),
    ]
    require_distinct(cases)
    return cases


# ---- recovery_next.json

NEXT_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "recovery_id": RECOVERY_ID,
    "transaction": TRANSACTION,
    "presented": sample_code("presented code"),
}


def next_case(name, **changes):
    keys, inputs = split_keys(with_defaults(NEXT_DEFAULTS, changes))
    members, mac = keyed_members("recovery-next", keys, recovery_next_message(**inputs))
    return case(name, **members, **inputs, output=recovery_symbols(mac))


def recovery_next_cases():
    issued = issue_case("typical, index 0")["output"]
    first = next_case("the code of the typical case of recovery_issue.json", presented=issued)
    second = next_case(
        "the replacement of the case before, in another transaction",
        presented=first["output"],
        transaction=TRANSACTION_OTHER,
    )
    cases = [
        next_case("typical"),
        first,
        second,
        next_case("another recovery id", recovery_id=RECOVERY_ID_OTHER),
        next_case("all-zero transaction", transaction=ZEROS_16),
        next_case("all-ff transaction", transaction=ONES_16),
        next_case("presented code of the first symbol only", presented="2" * 24),
        next_case("presented code of the last symbol only", presented="Z" * 24),
        next_case("empty context", context=""),
        next_case("unicode context", context=CONTEXT_UNICODE),
        next_case("subject of 1 byte, key of 64 bytes", subject=SUBJECT_1, master_key=KEY_64),
        next_case(
            "subject of 255 bytes, key of 65 bytes", subject=SUBJECT_255, master_key=KEY_65
        ),
        next_case(
            "unicode subject, key of 100 bytes", subject=SUBJECT_UNICODE, master_key=KEY_100
        ),
    ]
    require_distinct(cases)
    return cases


# ---- recovery_hash.json

HASH_DEFAULTS = {
    **KEY_DEFAULTS,
    "subject": SUBJECT,
    "code": sample_code("stored code"),
}


def hash_case(name, **changes):
    keys, inputs = split_keys(with_defaults(HASH_DEFAULTS, changes))
    members, mac = keyed_members("recovery", keys, recovery_hash_message(**inputs))
    return case(name, **members, **inputs, output=mac)


def recovery_hash_cases():
    issued = issue_case("typical, index 0")["output"]
    replacement = next_case("", presented=issued)["output"]
    cases = [
        hash_case("typical"),
        hash_case("another subject, same code", subject="user-1"),
        hash_case("the code of the typical case of recovery_issue.json", code=issued),
        hash_case("the replacement of that code, as in recovery_next.json", code=replacement),
        hash_case("code of the first symbol only", code="2" * 24),
        hash_case("code of the last symbol only", code="Z" * 24),
        hash_case("empty context", context=""),
        hash_case("unicode context", context=CONTEXT_UNICODE),
        hash_case("subject of 1 byte, key of 64 bytes", subject=SUBJECT_1, master_key=KEY_64),
        hash_case(
            "subject of 255 bytes, key of 65 bytes", subject=SUBJECT_255, master_key=KEY_65
        ),
        hash_case(
            "unicode subject, key of 100 bytes", subject=SUBJECT_UNICODE, master_key=KEY_100
        ),
    ]
    require_distinct(cases)
    return cases


# ---- destination_key.json

DESTINATION_DEFAULTS = {**KEY_DEFAULTS, "channel": "email", "address": ADDRESS}


def destination_case(name, **changes):
    keys, inputs = split_keys(with_defaults(DESTINATION_DEFAULTS, changes))
    members, mac = keyed_members("destination", keys, destination_message(**inputs))
    counted = counting_form(**inputs)
    return case(name, **members, **inputs, counting_form=counted, output=destination_key(mac))


def destination_key_cases():
    cases = [
        destination_case("typical"),
        destination_case("another address", address="user-2@example.org"),
        destination_case("unicode address", address=ADDRESS_UNICODE),
        destination_case("a tag is left out", address="user-3+tag+more@example.com"),
        destination_case("nothing before the tag", address="+tag@example.com"),
        destination_case("ascii case is folded", address="USER-4@Example.COM"),
        destination_case("other case is kept", address="\u00c4@\u00c4.example"),
        destination_case("channel sms", channel="sms", address=PHONE),
        destination_case("channel voice, same number", channel="voice", address=PHONE),
        destination_case("address of 254 bytes", address=ADDRESS_254),
        destination_case("empty context", context=""),
        destination_case("unicode context", context=CONTEXT_UNICODE),
        destination_case("key of 64 bytes", master_key=KEY_64),
        destination_case("key of 65 bytes", master_key=KEY_65),
        destination_case("key of 100 bytes", master_key=KEY_100),
    ]
    require_distinct(cases)
    return cases


# ---- effect_id.json


def effect_case(
    name,
    kind,
    reference,
    subject=SUBJECT,
    challenge_id=None,
    transaction=None,
    authenticator_id=None,
    revision=None,
    epoch=None,
    sends=None,
):
    message = effect_message(subject, kind, reference, sends)
    digest = sha256(message)
    return case(
        name,
        subject=subject,
        kind=kind,
        challenge_id=challenge_id,
        transaction=transaction,
        authenticator_id=authenticator_id,
        revision=revision,
        epoch=epoch,
        reference=reference,
        sends=sends,
        message=message,
        digest=digest,
        output=effect_id(digest),
    )


def send_email_case(name, challenge_id, sends, subject=SUBJECT):
    """The reference is the challenge id."""
    return effect_case(
        name, "send-email", challenge_id, subject, challenge_id=challenge_id, sends=sends
    )


def issue_token_case(name, transaction, subject=SUBJECT):
    """The reference is the transaction; sends is absent."""
    return effect_case(name, "issue-token", transaction, subject, transaction=transaction)


def end_sessions_case(name, epoch, subject=SUBJECT):
    """The reference is the epoch; sends is absent."""
    return effect_case(name, "end-sessions", u64(epoch), subject, epoch=epoch)


def notify_case(name, kind, authenticator_id, revision, subject=SUBJECT):
    """The reference is the authenticator id and revision; sends is absent."""
    return effect_case(
        name,
        kind,
        notify_reference(authenticator_id, revision),
        subject,
        authenticator_id=authenticator_id,
        revision=revision,
    )


def effect_id_cases():
    cases = [
        send_email_case("send-email, sends 1", CHALLENGE, 1),
        send_email_case("send-email, sends 0", CHALLENGE, 0),
        send_email_case("send-email, sends 2^32-1", CHALLENGE_OTHER, U32_MAX),
        send_email_case("send-email, all-zero challenge id", ZEROS_16, 1),
        send_email_case("send-email, all-ff challenge id", ONES_16, 1),
        send_email_case("send-email, subject of 1 byte", CHALLENGE, 1, SUBJECT_1),
        issue_token_case("issue-token", TRANSACTION),
        issue_token_case("issue-token, all-zero transaction", ZEROS_16),
        issue_token_case("issue-token, subject of 255 bytes", TRANSACTION, SUBJECT_255),
        end_sessions_case("end-sessions", EPOCH),
        end_sessions_case("end-sessions, epoch 1", 1),
        end_sessions_case("end-sessions, epoch 2^53-1", EXACT_MAX, SUBJECT_UNICODE),
        notify_case("notify-added, revision 1", "notify-added", EMAIL_ID, 1),
        notify_case("notify-added, revision 0", "notify-added", EMAIL_ID, 0),
        notify_case("notify-added, revision 2^53-1", "notify-added", RECOVERY_ID, EXACT_MAX),
        notify_case("notify-locked, revision 1", "notify-locked", EMAIL_ID, 1),
        notify_case(
            "notify-locked, unicode subject", "notify-locked", EMAIL_ID, 7, SUBJECT_UNICODE
        ),
    ]
    require_distinct(cases)
    return cases


# ---- tenant_tag.json


def tenant_tag_case(name, context):
    message = tenant_message(context)
    digest = sha256(message)
    return case(name, context=context, message=message, digest=digest, output=tenant_tag(digest))


def tenant_tag_cases():
    cases = [
        tenant_tag_case("typical", CONTEXT),
        tenant_tag_case("empty context", ""),
        tenant_tag_case("context of 1 byte", "t"),
        tenant_tag_case("a URL with another path", CONTEXT + "a"),
        tenant_tag_case("context of 255 bytes", "t" * 255),
        tenant_tag_case("unicode context", CONTEXT_UNICODE),
    ]
    require_distinct(cases)
    return cases


# ---- device_id.json


def device_case(name, random):
    return case(name, random=random, output=device_id(random))


def number_16(number):
    """A number as 16 big-endian bytes."""
    return number.to_bytes(16, "big")


def device_id_cases():
    modulus = 62**DEVICE_ID_DIGITS
    return [
        device_case("all-zero", ZEROS_16),
        device_case("all-ff", ONES_16),
        device_case("1", number_16(1)),
        device_case("10, the first letter", number_16(10)),
        device_case("36, the first lower-case letter", number_16(36)),
        device_case("61, the last digit", number_16(61)),
        device_case("62, the first carry", number_16(62)),
        device_case("62^16-1, the largest id", number_16(modulus - 1)),
        device_case("62^16, which wraps to zero", number_16(modulus)),
        device_case("62^16+1", number_16(modulus + 1)),
        device_case("2^127", number_16(2**127)),
        device_case("sample 1", sample("device id 1", 16)),
        device_case("sample 2", sample("device id 2", 16)),
        device_case("sample 3", sample("device id 3", 16)),
    ]


# ---- draw.json


def draw_case(name, command, revision, label, count, subject=SUBJECT, entropy=sample("entropy", 32)):
    message = field(utf8(command)) + field(utf8(subject)) + field(u64(revision)) + field(utf8(label)) + field(u32(count))
    return case(
        name,
        entropy=entropy,
        command=command,
        subject=subject,
        revision=revision,
        label=label,
        count=count,
        message=message,
        output=hmac_sha256(entropy, message),
    )


def draw_cases():
    return [
        draw_case("the first value of begin", "begin", 0, "transaction", 0),
        draw_case("the revision of a new record", "associate", 0, "revision", 0),
        draw_case("a challenge's seed", "challenge", 2**52 + 7, "binding", 1),
        draw_case("the same on a newer record", "challenge", 2**52 + 8, "binding", 1),
        draw_case("the largest revision", "provision", 2**53 - 1, "email", 0),
        draw_case("the largest count", "regenerate_recovery_codes", 1, "recovery", U32_MAX),
        draw_case("all-zero entropy", "ask", 1, "challenge", 0, entropy=bytes(32)),
        draw_case("all-ff entropy, a subject of 255 bytes", "ask", 1, "challenge", 0, SUBJECT_255, b"\xff" * 32),
        draw_case("a subject of 1 byte", "ask", 1, "challenge", 0, SUBJECT_1),
    ]


# ---- all files: name, description, cases

FILES = (
    (
        "sub_key.json",
        'sub_key = HMAC-SHA-256(master_key, F("countersign/v1/" + label) || F(context))',
        sub_key_cases,
    ),
    (
        "key_id.json",
        'output = first 4 bytes of HMAC-SHA-256(master_key, F("countersign/v1/id/" + class) || F(context))',
        key_id_cases,
    ),
    (
        "mfa_token.json",
        "output = base64url(payload || mac), mac = MAC(token; payload)",
        mfa_token_cases,
    ),
    (
        "oob_code.json",
        "output = base64url(prefix || first 20 bytes of mac), mac = MAC(oob; subject, prefix)",
        oob_code_cases,
    ),
    (
        "binding_code.json",
        "output = first 8 bytes of mac modulo 10^digits, in decimal, zero-padded; "
        "20 digits are the first two times 8 bytes, each modulo 10^10; "
        "mac = MAC(binding; subject, authenticator_id, channel, address, transaction, "
        "challenge_id, purpose || purpose_digest || purpose_label, generation, digits, seed)",
        binding_code_cases,
    ),
    (
        "proof_handle.json",
        "output = base64url(stamp || first 20 bytes of mac), "
        'mac = MAC(proof; "handle", subject, purpose, stamp), '
        "stamp = version || key id || proof_id || issued || deadline",
        proof_handle_cases,
    ),
    (
        "proof_link.json",
        "output = base64url(stamp || first 20 bytes of outer_mac || first 16 bytes of mac), "
        'outer_mac = MAC(proof; "link", subject, purpose, stamp), '
        "mac = MAC(link; stamp, subject, address, purpose, generation, seed)",
        proof_link_cases,
    ),
    (
        "link_code.json",
        "output = the first and the second 8 bytes of mac, each modulo 10^10 in ten digits, in groups of four; "
        "mac = MAC(link-code; stamp, subject, address, purpose, generation, seed)",
        link_code_cases,
    ),
    (
        "device_token.json",
        "output = base64url(prefix || first 20 bytes of mac || first 20 bytes of outer_mac), "
        "mac = MAC(device; subject, prefix, seed), outer_mac = MAC(device-outer; subject, prefix), "
        "prefix = version || key id || device_id || expires",
        device_token_cases,
    ),
    (
        "recovery_issue.json",
        "output = 24 symbols of mac, "
        "mac = MAC(recovery-issue; subject, authenticator_id, seed, index)",
        recovery_issue_cases,
    ),
    (
        "totp.json",
        "output = first 20, 32 or 64 bytes of block 0 || block 1, by algorithm, "
        "block i = MAC(totp; subject, authenticator_id, seed, i); message and mac are those of block 0",
        totp_cases,
    ),
    (
        "otp_code.json",
        "output = HOTP(secret, counter) of RFC 4226, with the hash of algorithm (RFC 6238)",
        otp_code_cases,
    ),
    (
        "key_uri.json",
        "output = otpauth://kind/issuer:account?secret, issuer, algorithm, digits, and period or counter",
        key_uri_cases,
    ),
    (
        "recovery_next.json",
        "output = 24 symbols of mac, "
        "mac = MAC(recovery-next; subject, recovery_id, transaction, presented)",
        recovery_next_cases,
    ),
    (
        "recovery_hash.json",
        "output = mac = MAC(recovery; subject, code)",
        recovery_hash_cases,
    ),
    (
        "destination_key.json",
        "output = first 16 bytes of mac, mac = MAC(destination; channel, address)",
        destination_key_cases,
    ),
    (
        "effect_id.json",
        'output = first 16 bytes of SHA-256(F("countersign/v1/effect") || F(subject) || '
        "F(kind) || F(reference) || F(sends)), sends empty when null",
        effect_id_cases,
    ),
    (
        "tenant_tag.json",
        'output = first 8 bytes of SHA-256(F("countersign/v1/tenant") || F(context))',
        tenant_tag_cases,
    ),
    (
        "device_id.json",
        "output = random as a big-endian number modulo 62^16, as 16 base-62 digits",
        device_id_cases,
    ),
    (
        "draw.json",
        "output = HMAC-SHA-256(entropy, F(command) || F(subject) || F(revision) || F(label) || F(count))",
        draw_cases,
    ),
)


# --------------------------------------------------------------------------
# Self-check
# --------------------------------------------------------------------------

# RFC 4231, test cases 1, 2 and 6: key, data, HMAC-SHA-256.
RFC_4231 = (
    (
        1,
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        2,
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        6,
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
)


def self_check():
    """Compare the MAC with published vectors, and the samples with their names."""
    for number, key, data, expected in RFC_4231:
        require(
            hmac_sha256(key, data).hex() == expected,
            "HMAC-SHA-256 fails RFC 4231 test case %d" % number,
        )
    for count, code in enumerate(RFC_4226):
        require(
            hotp(RFC_SECRETS["SHA1"], "SHA1", 6, count) == code,
            "HOTP fails RFC 4226 appendix D, count %d" % count,
        )
    for time, *codes in RFC_6238:
        for algorithm, code in zip(ALGORITHMS, codes):
            require(
                hotp(RFC_SECRETS[algorithm], algorithm, 8, time // 30) == code,
                "TOTP fails RFC 6238 appendix B, %s at %d s" % (algorithm, time),
            )
    require(len(set(RECOVERY_ALPHABET)) == 32, "the recovery alphabet is not 32 symbols")
    require(len(set(BASE62_ALPHABET)) == 62, "the base-62 alphabet is not 62 digits")
    require(len(utf8(SUBJECT_1)) == 1, "the short subject is not 1 byte")
    require(len(utf8(SUBJECT_255)) == 255, "the long subject is not 255 bytes")
    require(len(utf8(ADDRESS_254)) == 254, "the long address is not 254 bytes")
    require(len(utf8(ACTION_LABEL_32)) == 32, "the label of an action is not 32 bytes")


# --------------------------------------------------------------------------
# Command line
# --------------------------------------------------------------------------


def render(description, cases):
    """The bytes of one file: ASCII, two-space indent, a newline at the end."""
    document = {"description": description, "cases": cases}
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def generate():
    """The bytes of every file, by name."""
    return {name: render(description, cases()) for name, description, cases in FILES}


def write(files):
    for name, content in files.items():
        (HERE / name).write_bytes(content)
    print("wrote %d files" % len(files))
    return 0


def check(files):
    wrong = 0
    for name, content in files.items():
        path = HERE / name
        if not path.is_file():
            print("%s: missing" % name, file=sys.stderr)
            wrong += 1
        elif path.read_bytes() != content:
            print("%s: differs from what generate.py writes" % name, file=sys.stderr)
            wrong += 1
    if wrong:
        return 1
    print("%d files are up to date" % len(files))
    return 0


def main():
    parser = argparse.ArgumentParser(description="Write or check the test vectors.")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if a file differs from what would be written",
    )
    arguments = parser.parse_args()
    self_check()
    files = generate()
    return check(files) if arguments.check else write(files)


if __name__ == "__main__":
    sys.exit(main())
