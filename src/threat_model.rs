//! What `countersign` defends against, what it leaves to the host, and what nothing here can do.
//!
//! # Why six digits are enough, and when
//!
//! A six-digit code is one in a million. That is enough only because all of the following hold together; none of them
//! may be dropped.
//!
//! 1. A code answers one challenge only: it is bound to its handle by a MAC, so eight live challenges do not make a
//!    guess eight times as likely.
//! 2. A wrong guess is charged in the same step that judges it, and the verdict is sealed until that is stored.
//!    Parallel guesses cost what they cost in a row.
//! 3. Guesses are charged to the account, in one of two lanes: that of whoever knows the password, or that of
//!    elevated sessions. New challenges, resends, tokens, enrollments, factors and servers draw on the same
//!    buckets, and nothing but time refills them. A remembered device is in the lane of elevated sessions.
//! 4. The long budget admits 30 guesses and one more a day: against messages a chance of 0.00039 a year for
//!    somebody who already has the password and never stops, and 0.00079 if an elevated session or a
//!    remembered device is in the same hands.
//!    [`Policy::guess_probability_of`](crate::Policy::guess_probability_of) computes it for any policy;
//!    without the long budget (`auth0`) it is 0.084 and 0.16, and 0.00000055 and 0.0000011 with the budget
//!    of `strict`. `tests/it/guess_probability.rs` has thieves with a year of time count their guesses at the
//!    real commands: 395, 87,610 and 55 in a lane.
//! 5. An app has as many right codes at once as its window has steps, so each guess counts as often: about
//!    0.00079 a year and lane with the two steps of `default`, 0.23 with the three of `auth0`, and 0.00011
//!    with the budget of `strict`. A window has five steps at most. A code is good once, and with it every
//!    code before it: the last accepted step is stored by the swap that accepts.
//! 6. Only somebody who passed a first factor can spend an attempt.
//!
//! Where no first factor stands in front, six digits are not enough: somebody who asks at a million addresses guesses one
//! of them. A [proof of an address](crate::address_proof) therefore carries a link and a code of 20 digits, which is 66
//! bits. It is not counted, so nothing can be used up but messages, and each message brings the owner of the address a link
//! that outlives the wait for the next one. A link to reset a password is taken from every browser. One to confirm an
//! address is taken only from a browser that asked for one, so nobody confirms what another began.
//!
//! # When the guesses are used up
//!
//! A lane whose guesses are used up is **hardened**, unless the policy locks (`auth0`). Its short challenges
//! end, and until both guess budgets hold the attempts of a challenge again its messages carry 20 digits:
//! 66.4 bits. A limit on guesses is for secrets of less than 64 bits (NIST SP 800-63B-4 section 3.1.3.2), so
//! a wrong long answer is counted nowhere, changes nothing and writes nothing. With 1,000 of them a second, a
//! year has a chance of 3 × 10^-10. The same goes for wrong recovery codes once their bucket is empty: 120
//! bits need no limit either.
//!
//! Of one-time passwords a hardened lane takes four at once, of four steps in a row that are all to come: 79
//! bits with six digits and two steps. They are counted nowhere, either, and no part of them is answered
//! (`tests/it/four_codes.rs`). `strict` locks one-time passwords instead, because section 3.1.4 wants a limit
//! on every output below 64 bits.
//!
//! So guessing keeps nobody out, and costs nobody a swap. What remains is asking for messages: whoever has
//! the password can use up the messages of the unknown lane, which bounds what the mailbox gets (5, +1 a
//! minute; 20, +1 per 72 minutes). Its owner then signs in by a recovery code, and ends it by changing the
//! password. `tests/it/under_attack.rs` plays 60 days of guesses, of messages and of both by the minute, and
//! has the owner sign in at each of 2,074 sampled minutes: by mail under guesses, by a recovery code under
//! floods. An elevated session enrolls and confirms an address at each of them, and somebody on a remembered
//! device signs in by six digits (eight for `strict`) at each of them, whatever the attack.
//!
//! `strict` disables an authenticator at 20 wrong codes in a row (section 3.2.2), which its guess budget
//! admits after 80 days at the earliest, in which its owner never signs in. The notices that all this causes
//! are bounded: one when a budget runs empty, the next after it was full or a day later, three and one more
//! each eight hours in all.
//!
//! One guess at each of a million accounts hits one of them, and no bound of one account can see that. Count the audit
//! events with `evaluated` across accounts, and watch the share that is wrong.
//!
//! # Who has what
//!
//! | the attacker has | and gets |
//! |---|---|
//! | the database | no code, no handle, no token, no secret of an app: all are derived with keys that are not there. Recovery codes are keyed hashes of 120 bits. Addresses are in clear |
//! | a transient key | tokens and handles could be forged until it is retired or left out; binding codes not, without the record's seeds |
//! | a durable key | no recovery code: 120 bits do not yield to guessing. No code of an app, without the record's seeds |
//! | a session of a user, stolen | what the session may do, until its holder changes a factor or the password: see below |
//! | both, database and keys | everything that is live |
//! | the password | guesses, within the budgets of the unknown lane; then nothing but long codes. Notices reach the account's holder |
//! | the password, and patience | all messages of the unknown lane: its owner needs a remembered device, an app, a recovery code, or another password |
//! | the token of a remembered device | nothing: it opens no session. With the password: see below |
//! | the secret of an app, or the picture of its QR code | every code of that app, until it is removed |
//! | the mailbox | the email factor, which is why it bears no assurance level (NIST SP 800-63B-4 section 3.1.3.1) |
//! | a page between the user and the server | the code, as it is typed: no factor here resists phishing |
//!
//! # Sessions end with what opened them
//!
//! Whoever loses a factor loses what it opened. Removing a factor, new recovery codes, an address that the host replaces or
//! takes back, the first enrollment, a reset and [`revoke_sessions`](crate::Verifier::revoke_sessions) each raise the
//! epoch of the account, and a session of another epoch is refused, whatever any clock says. The session that acts goes
//! on. A factor that is disabled through guesses ends no session: a thief could bring that about.
//!
//! - A host calls [`prepare`](crate::Verifier::prepare) before it reads a password, and
//!   [`revoke_sessions`](crate::Verifier::revoke_sessions) after it stored another one. A sign-in that is under way with
//!   the old password then fails.
//! - Enrolling and removing factors takes a second factor that was used within `elevated_max_age`.
//! - Recovery codes are shown when an enrollment begins, and again only while it is pending and only to the session that
//!   began it with its client named.
//! - A row must not be deleted while tokens live, because a new record begins with epoch 0 like every other: use
//!   [`reset`](crate::Verifier::reset). After a restored backup, call `revoke_sessions` for every account: the epochs in
//!   it are older than those of the tokens.
//! - A record carries a tag of the context of its keys. Under another context it is refused, so one tenant's record is
//!   worth nothing to another. The tag is computed without a key: it is no proof of who wrote the record.
//!
//! # What a stolen device token is worth
//!
//! A token of a [remembered device](crate::Verifier::recognize) is 20 bytes of a MAC under a durable key and
//! a seed of the record, beside an outer tag. It is good for one account, and for at most 90 days (30 in
//! `default` and `auth0`). It proves no factor: no `amr`, never `mfa`, and nothing enrolls or removes by it.
//! `tests/it/devices.rs` holds what follows.
//!
//! | the thief has | in `default` and `strict` | in `auth0` |
//! |---|---|---|
//! | the token alone | nothing | nothing |
//! | the token and the password | the known lane beside the unknown one: 20 guesses at once instead of 10 (`strict`: 10 instead of 5), a chance of 0.00079 a year instead of 0.00039 against messages, and of 0.0016 instead of 0.00079 against an app (`strict`: 0.00022 instead of 0.00011); and the messages of both lanes, so that its owner may need an app or a recovery code | a session that may read, each time, until the token ends |
//! | the token and the mailbox | nothing, without the password | nothing, without the password |
//! | the database, without the keys | no token: the seed alone makes none | the same |
//! | a durable key, without the record | no token that the record takes: the outer tag alone proves nothing | the same |
//!
//! It ends with the factor that vouched for it, with a change of the password
//! ([`revoke_sessions`](crate::Verifier::revoke_sessions)), with [`reset`](crate::Verifier::reset), with
//! [`forget`](crate::Verifier::forget), and when eight others are used later. `forget` ends the sessions that
//! it opened as well. A factor that is disabled through guesses takes no device with it, since a thief could
//! bring that about; it completes no login any more.
//!
//! # What the host must do
//!
//! - Carry out [`EndSessions`](crate::effect::EndSessions): end what it opened itself with an earlier epoch.
//! - Store by compare-and-swap, on one row per user, and read what was written: a store in which the last write wins,
//!   or that reads from a stale replica, undoes the budgets. The crate `countersign-conformance` tries the host's own
//!   store.
//! - Commit the record even if the request fails: a wrong code that is rolled back was never charged.
//! - Take the time from a clock that clients do not control, and randomness from a cryptographic generator. A
//!   clock that was ahead leaves limits behind that last until then: those are refused as
//!   [`ClockDisagrees`](crate::Denial::ClockDisagrees), which is for the operator, and `unlock` takes them
//!   back.
//! - Keep a device's token where no script reads it: in a cookie with `__Host-` before its name, `HttpOnly`, `Secure` and
//!   `SameSite`, one for each subject.
//! - Keep the keys out of the database.
//! - Show the secret and the QR code of an app to nobody but who enrolls it, by an answer that no cache
//!   keeps, and draw the QR code itself: a service that draws it has the secret.
//! - Think before letting a factor authenticate that could only be confirmed (email, from `strict` to another
//!   policy): an address or an app that somebody confirmed with a first factor alone becomes a factor with the
//!   account's first enrollment, and signs nobody in before. Reset the accounts that have such, or keep the
//!   policy.
//! - Answer a refused client with less than a [`Denial`](crate::Denial) says, and no faster for a name it does not
//!   know.
//! - Limit requests by client and address, as a courtesy to itself: no bound here depends on a network address. One peer's
//!   asks for a proof of many addresses only the host can see.
//! - Answer an ask for a proof of an address before it looks for the address's owner, and take a link by the `POST` of a
//!   form: mail filters follow links.
//!
//! # Timing
//!
//! Secret are the keys and all that is derived with them, the seeds, the codes and the tags of tokens and handles,
//! stored or presented. Public are lengths, key ids, how many recovery codes there are, what a token says, the state
//! of the record, whether a text is well formed and where its separators stand; then whether a code was right, and if
//! so which of its set.
//!
//! **Claimed:** on x86-64 Linux, no branch and no address depends on a secret before its verdict, nor on anything but
//! the verdict after it, from a code as it was typed, a token or a handle to the sealed step, and in making them.
//! `verification/constant_time/check.sh` shows it: valgrind's memcheck runs the verifications with every secret
//! marked as undefined, at optimisation 0, s, 3, and 3 with link-time optimisation, as compiled by the compiler at
//! hand. In the build as it is shipped, what shows are the verdicts, one branch each. Comparisons that leak are
//! caught in the same runs, and so is the library with one put into it. Beside it a statistical test (dudect) times
//! wrong input that differs early or late from what is right.
//!
//! **Not claimed:**
//!
//! - anything of another compiler, target or build than those: run the check in yours. It needs x86-64 Linux.
//! - the processor's own SHA-256 instructions: memcheck examines `sha2`'s software code. Only the statistical test,
//!   which finds no difference but proves none, runs on them.
//! - instructions that take a time of their own, which memcheck does not look at. Codes are reduced by constants, for
//!   which an optimising compiler multiplies; the check sees to it that there is no division. Without optimisation
//!   there is.
//! - codes typed in anything but ASCII, reading and writing the stored form, comparing whole records.
//! - what the host does: its store, its mail, its answer to a name that it does not know.
//! - power, radiation, speculation, and a neighbour on the same core.
