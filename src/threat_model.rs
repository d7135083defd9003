//! What `countersign` defends against, what it leaves to the host, and what nothing here can do.
//!
//! A name in code font with several underscores is the name of the test that holds what stands before it: it
//! fails if that is no longer true. `ci/claims.py` sees to it that each paragraph, point and row names
//! one, or a program of the tree, and that it exists.
//!
//! # Why six digits are enough, and when
//!
//! A six-digit code is one in a million (`v34_codes_are_uniform_over_their_whole_range`). That is enough only
//! because all of the following hold together; none of them may be dropped.
//!
//! 1. A code answers one challenge only: it is bound to its handle by a MAC, so eight live challenges do not
//!    make a guess eight times as likely. `v26_a_handle_is_good_in_its_own_transaction_only`,
//!    `v27_a_code_crosses_into_no_other_flow`
//! 2. A wrong guess is charged in the same step that judges it, and the verdict is sealed until that is stored
//!    (`verdicts_and_effects_cannot_be_read_before_the_swap`). Parallel guesses cost what they cost in a row
//!    (`of_128_guesses_at_once_five_are_judged`, `v07_parallel_guesses_each_cost_an_attempt`).
//! 3. Guesses are charged to the account, in one of two lanes: that of whoever knows the password, or that of
//!    elevated sessions (`what_one_lane_spends_the_other_keeps`). New challenges, resends, tokens, enrollments,
//!    factors and servers draw on the same buckets (`nothing_refills_the_guesses_of_an_account`,
//!    `v13_new_logins_bring_no_new_guesses`), and nothing refills them but time and an administrator's `unlock`
//!    (`unlocking_grants_a_full_bucket_or_five_on_an_empty_long_budget`). A remembered device is in the lane of
//!    elevated sessions (`a_completed_sign_in_has_the_device_remembered_if_that_is_asked_for`).
//! 4. The long budget admits 30 guesses and one more a day: against messages a chance of 0.00039 a year for
//!    somebody who already has the password and never stops, and 0.00079 if an elevated session or a
//!    remembered device is in the same hands.
//!    [`Policy::guess_probability_of`](crate::Policy::guess_probability_of) computes it for any policy;
//!    without the long budget (`auth0`) it is 0.084 and 0.16, and 0.00000055 and 0.0000011 with the budget
//!    of `strict` (`guess_probability_is_the_published_arithmetic`). Thieves with a year of time count their
//!    guesses at the real commands: 395, 87,610 and 55 in a lane
//!    (`a_year_of_guessing_comes_to_what_the_formula_counts`), and so many dice hit as often as it says
//!    (`seeded_dice_agree_with_guess_probability`).
//! 5. An app has as many right codes at once as its window has steps, so each guess counts as often: about
//!    0.00079 a year and lane with the two steps of `default`, 0.23 with the three of `auth0`, and 0.00011
//!    with the budget of `strict` (`a_year_of_guessing_at_an_app_comes_to_what_the_formula_counts`). A window
//!    has five steps at most (`v12_the_window_is_bounded_and_counts_against_the_budget`). A code is good once,
//!    and with it every code before it: the last accepted step is stored by the swap that accepts
//!    (`v22_a_code_of_an_app_is_good_once`, `one_code_of_an_app_lets_one_login_in`).
//! 6. Only somebody who passed a first factor can spend an attempt.
//!    `v20_outsiders_spend_nothing_and_a_lock_grows_no_longer`
//!
//! Where no first factor stands in front, six digits are not enough: somebody who asks at a million addresses
//! guesses one of them. A [proof of an address](crate::address_proof) therefore carries a link and a code of 20
//! digits, which is 66 bits (`an_ask_sends_a_link_and_a_long_code_and_each_proves_the_address`). It is not
//! counted, so nothing can be used up but messages (`nothing_but_a_charged_message_is_written`), and each
//! message brings the owner of the address a link that outlives the wait for the next one
//! (`l06_a_stranger_of_sixty_days_keeps_the_owner_from_nothing`). A link to reset a password is taken from
//! every browser. One to confirm an address is taken only from a browser that asked for one, so nobody confirms
//! what another began (`a_link_to_confirm_takes_a_browser_that_asked_and_one_to_reset_takes_any`). An address
//! that nobody has gets the same answer and the same refusal
//! (`an_address_that_nobody_has_cannot_be_told_from_one_that_somebody_has`), which hang on no record
//! (`the_answer_is_the_same_before_any_record_is_looked_at`), so that a host answers before it looks.
//!
//! # When the guesses are used up
//!
//! A lane whose guesses are used up is **hardened**, unless the policy locks (`auth0`):
//! `a_policy_that_locks_hardens_nothing_and_one_that_hardens_locks_nothing`. Its short challenges end
//! (`an_empty_budget_makes_codes_long_and_ends_the_short_ones_of_its_lane`), and until both guess budgets hold
//! the attempts of a challenge again (`hardening_ends_when_all_attempts_are_back_and_a_live_long_code_stays_good`)
//! its messages carry 20 digits: 66.4 bits. A limit on guesses is for secrets of less than 64 bits (NIST SP
//! 800-63B-4 section 3.1.3.2), so a wrong long answer is counted nowhere, changes nothing and writes nothing
//! (`a_wrong_long_answer_changes_nothing_and_writes_nothing`). With 1,000 of them a second, a year has a chance
//! of 3 × 10^-10 (`hardened_guesses_are_added_where_the_policy_hardens`). The same goes for wrong recovery codes
//! once their bucket is empty: 120 bits need no limit either
//! (`wrong_recovery_codes_write_nothing_once_their_bucket_is_empty`).
//!
//! Of one-time passwords a hardened lane takes four at once, of four steps in a row that are all to come
//! (`a_hardened_lane_takes_four_codes_in_a_row_and_no_single_one`): 79 bits with six digits and two steps
//! (`a_row_of_four_codes_is_as_likely_as_four_of_its_codes`). They are counted nowhere, either, and no part of
//! them is answered (`a_wrong_row_changes_nothing_and_writes_nothing`). `strict` locks one-time passwords
//! instead, because section 3.1.4 wants a limit on every output below 64 bits
//! (`strict_signs_people_in_by_an_app_and_locks_it`).
//!
//! So guessing keeps nobody out, and costs nobody a swap
//! (`honest_sign_ins_lose_no_swap_to_a_thousand_wrong_answers`). What remains is asking for messages: whoever
//! has the password can use up the messages of the unknown lane, which bounds what the mailbox gets (5, +1 a
//! minute; 20, +1 per 72 minutes): `messages_are_counted_across_transactions_and_factors`. Its owner then signs
//! in by a recovery code, and ends it by changing the password
//! (`a_change_of_the_password_gives_one_burst_of_messages_back`). Three tests play 60 days by the minute, and
//! have the owner sign in at each of 2,074 sampled minutes: by mail under guesses
//! (`l08_the_holder_signs_in_by_mail_at_every_minute_of_sixty_days_of_guessing`), by a recovery code under
//! messages (`l08_the_holder_signs_in_by_a_recovery_code_at_every_minute_of_sixty_days_of_messages`) and under
//! both (`l08_the_holder_signs_in_at_every_minute_of_sixty_days_of_everything_at_once`). In all three an elevated
//! session enrolls and confirms an address at each of them, and somebody on a remembered device signs in by six
//! digits (eight for `strict`) at each of them. With an app no message is wanted
//! (`l08_the_holder_signs_in_by_an_app_at_every_minute_of_sixty_days_of_everything_at_once`).
//!
//! `strict` disables an authenticator at 20 wrong codes in a row (section 3.2.2), which its guess budget admits
//! after 80 days at the earliest, in which its owner never signs in
//! (`strict_disables_an_authenticator_after_eighty_days_at_the_earliest`). The notices that all this causes are
//! bounded: one when a budget runs empty, the next after it was full or a day later, three and one more each
//! eight hours in all (`l09_an_empty_budget_is_told_once_until_it_was_full_or_a_day_is_over`,
//! `l09_guesses_are_told_of_no_more_often_than_wrong_recovery_codes`).
//!
//! # Who has what
//!
//! | the attacker has | and gets | held by |
//! |---|---|---|
//! | the database | no code, no handle, no token, no secret of an app: all are derived with keys that are not there. Recovery codes are keyed hashes of 120 bits. Addresses are in clear | `nothing_that_a_client_can_present_is_stored`, `another_secret_or_context_verifies_nothing`, `a_database_has_nothing_of_a_key` |
//! | a transient key | tokens and handles could be forged until it is retired or left out; binding codes not, without the record's seeds | `l20_a_leaked_transient_key_forges_no_session_once_it_was_retired`, `what_a_retired_key_made_later_is_refused`, `src/tests/vectors.rs` |
//! | a durable key | no recovery code: 120 bits do not yield to guessing. No code of an app and no token of a device, without the record's seeds | `a_token_proves_the_seed_of_the_record`, `src/tests/vectors.rs` |
//! | a session of a user, stolen | what the session may do, until its holder changes a factor or the password: see below | `l01_every_change_of_a_factor_ends_all_other_sessions` |
//! | the password | guesses, within the budgets of the unknown lane; then nothing but long codes. Notices reach the account's holder | `a_year_of_guessing_comes_to_what_the_formula_counts`, `an_empty_budget_makes_codes_long_and_ends_the_short_ones_of_its_lane` |
//! | the password, and patience | all messages of the unknown lane: its owner needs a remembered device, an app, a recovery code, or another password | `l08_the_holder_signs_in_at_every_minute_of_sixty_days_of_everything_at_once` |
//! | the token of a remembered device | nothing: it opens no session. With the password: see below | `a_stolen_token_gives_a_lane_more_and_no_factor` |
//! | the secret of an app, or the picture of its QR code | every code of that app, until it is removed | `an_app_is_listed_without_a_name_and_removed` |
//!
//! # Sessions end with what opened them
//!
//! Whoever loses a factor loses what it opened. Removing a factor, new recovery codes, an address that the host
//! replaces or takes back, a reset and [`revoke_sessions`](crate::Verifier::revoke_sessions)
//! (`l01_every_change_of_a_factor_ends_all_other_sessions`) and the first enrollment
//! (`the_first_activation_ends_all_sessions_but_its_own`) each raise the epoch of the account, and a session of
//! another epoch is refused, whatever any clock says (`l03_a_reset_ends_the_sessions_of_a_node_that_is_ahead`).
//! The session that acts goes on (`a_later_change_ends_the_session_that_an_earlier_one_spared`). A factor that is
//! disabled through guesses ends no session: a thief could bring that about
//! (`l01_a_disabling_through_guesses_ends_no_session`).
//!
//! - A host calls [`prepare`](crate::Verifier::prepare) before it reads a password, and
//!   [`revoke_sessions`](crate::Verifier::revoke_sessions) after it stored another one
//!   (`l02_a_change_of_the_password_ends_the_tokens_from_before`). A sign-in that is under way with the old
//!   password then fails: `l02_a_sign_in_that_is_under_way_with_the_old_password_begins_nothing`, and in the
//!   reference host `a_sign_in_that_is_under_way_with_the_old_password_is_refused`.
//! - Enrolling and removing factors takes a second factor that was used within `elevated_max_age`.
//!   `an_elevated_session_changes_factors_while_its_evidence_is_recent`,
//!   `a_refresh_prolongs_a_session_and_not_what_it_may_change`
//! - Recovery codes are shown when an enrollment begins, and again only while it is pending and only to the
//!   session that began it with its client named.
//!   `l14_recovery_codes_are_shown_again_to_a_named_client_while_the_enrollment_is_pending`
//! - A row must not be deleted while tokens live, because a new record begins with epoch 0 like every other: use
//!   [`reset`](crate::Verifier::reset). After a restored backup, call `revoke_sessions` for every account: the
//!   epochs in it are older than those of the tokens.
//!   `a_restored_database_revives_what_was_ended_since_and_the_page_ends_it_again`
//! - A record carries a tag of the context of its keys. Under another context it is refused, so one tenant's
//!   record is worth nothing to another. The tag is computed without a key: it is no proof of who wrote the
//!   record. `l13_a_record_of_another_context_is_misuse_in_every_command`
//!
//! # What a stolen device token is worth
//!
//! A token of a [remembered device](crate::Verifier::recognize) is 20 bytes of a MAC under a durable key and
//! a seed of the record, beside an outer tag (`src/tests/vectors.rs`). It is good for one account
//! (`a_token_that_proves_nothing_is_unknown_and_never_a_denial`), and for at most 90 days (30 in `default` and
//! `auth0`): `devices_are_remembered_for_as_long_as_the_preset_says`. It proves no factor: no `amr`, never
//! `mfa`, and nothing enrolls or removes by it
//! (`where_the_policy_says_so_a_device_completes_the_login_and_may_read`).
//!
//! | the thief has | in `default` and `strict` | in `auth0` | held by |
//! |---|---|---|---|
//! | the token alone | nothing | nothing | `a_stolen_token_gives_a_lane_more_and_no_factor` |
//! | the token and the password | the known lane beside the unknown one: 20 guesses at once instead of 10 (`strict`: 10 instead of 5), a chance of 0.00079 a year instead of 0.00039 against messages, and of 0.0016 instead of 0.00079 against an app (`strict`: 0.00022 instead of 0.00011); and the messages of both lanes, so that its owner may need an app or a recovery code | a session that may read, each time, until the token ends | `a_stolen_token_gives_a_lane_more_and_no_factor`, `guess_probability_is_the_published_arithmetic`, `where_the_policy_says_so_a_device_completes_the_login_and_may_read` |
//! | the token and the mailbox | nothing, without the password | nothing, without the password | `a_stolen_token_gives_a_lane_more_and_no_factor`, `v39_nothing_is_sent_without_a_first_factor` |
//! | the database, without the keys | no token: the seed alone makes none | the same | `a_token_opens_for_its_own_subject_and_keys_and_proves_one_seed_and_expiry` |
//! | a durable key, without the record | no token that the record takes: the outer tag alone proves nothing | the same | `a_token_proves_the_seed_of_the_record` |
//!
//! It ends with the factor that vouched for it, with a change of the password
//! ([`revoke_sessions`](crate::Verifier::revoke_sessions)), with [`reset`](crate::Verifier::reset), with
//! [`forget`](crate::Verifier::forget)
//! (`a_device_dies_with_the_factor_that_vouched_and_with_every_new_beginning`), and when eight others are used
//! later (`at_most_eight_are_remembered_and_the_one_unused_longest_goes`). `forget` ends the sessions that it
//! opened as well (`forgetting_a_device_ends_other_sessions_and_keeps_the_acting_one`). A factor that is disabled
//! through guesses takes no device with it, since a thief could bring that about; it completes no login any more
//! (`a_disabled_authenticator_leaves_the_lane_and_vouches_for_no_login`).
//!
//! # What the host must do
//!
//! - Carry out [`EndSessions`](crate::effect::EndSessions): end what it opened itself with an earlier epoch. The
//!   reference host does: `a_change_ends_all_other_sessions`.
//! - Store by compare-and-swap, on one row per user, and read what was written: a store in which the last write
//!   wins, or that reads from a stale replica, undoes the budgets (`verification/model_checking`). The crate
//!   `countersign-conformance` tries the host's own store.
//! - Commit the record even if the request fails: a wrong code that is rolled back was never charged.
//!   `v10_a_failure_that_was_told_outlives_the_server`
//! - Take the time from a clock that clients do not control, and randomness from a cryptographic generator. A
//!   clock that was ahead leaves limits behind that last until then: those are refused as
//!   [`ClockDisagrees`](crate::Denial::ClockDisagrees), which is for the operator
//!   (`l16_every_limit_tells_a_clock_from_an_empty_budget`), and `unlock` takes them back
//!   (`unlocking_takes_back_what_a_clock_that_was_ahead_had_put_on_the_account`).
//! - Keep a device's token where no script reads it: in a cookie with `__Host-` before its name, `HttpOnly`,
//!   `Secure` and `SameSite`, one for each subject. `with_https_the_cookie_is_of_this_origin_alone`
//! - Keep the keys out of the database. `a_database_has_nothing_of_a_key`
//! - Show the secret and the QR code of an app to nobody but who enrolls it, by an answer that no cache
//!   keeps, and draw the QR code itself: a service that draws it has the secret.
//!   `the_page_gets_a_key_uri_drawn_and_nothing_else`
//! - Think before letting a factor authenticate that could only be confirmed (email, from `strict` to another
//!   policy): an address or an app that somebody confirmed with a first factor alone becomes a factor with the
//!   account's first enrollment, and signs nobody in before. Reset the accounts that have such, or keep the
//!   policy.
//!   `an_address_that_may_not_authenticate_is_no_way_to_complete_a_login`
//! - Answer a refused client with less than a [`Denial`](crate::Denial) says, and no faster for a name it does
//!   not know. `v37_an_unknown_name_is_refused_like_a_wrong_password`
//! - Limit requests by client and address, as a courtesy to itself: no bound here depends on a network address
//!   (`v16_nothing_that_a_caller_varies_splits_a_budget`). One peer's asks for a proof of many addresses only the
//!   host can see (`one_peer_asks_for_so_many_addresses_and_no_more`).
//! - Answer an ask for a proof of an address before it looks for the address's owner, and take a link by the
//!   `POST` of a form: mail filters follow links. `no_answer_to_an_ask_waits_for_the_store`,
//!   `somebody_signs_up_with_a_confirmed_address`
//! - Count the audit events with `evaluated` across accounts (`an_audit_event_says_whether_a_code_was_compared`),
//!   and watch the share that is wrong.
//!
//! # What nothing here can do
//!
//! - One guess at each of a million accounts hits one of them, and no bound of one account can see that.
//! - Whoever has both, the database and the keys, has everything that is live.
//! - Whoever reads the mailbox has the email factor, which is why it bears no assurance level (NIST SP 800-63B-4
//!   section 3.1.3.1).
//! - A page between the user and the server gets the code as it is typed: no factor here resists phishing.
//!
//! # Timing
//!
//! Secret are the keys and all that is derived with them, the seeds, the codes and the tags of tokens and handles,
//! stored or presented. Public are lengths, key ids, how many recovery codes there are, what a token says, the
//! state of the record, whether a text is well formed and where its separators stand; then whether a code was
//! right, and if so which of its set. `verification/constant_time` marks them so.
//!
//! **Claimed:** on x86-64 Linux, no branch and no address depends on a secret before its verdict, nor on anything
//! but the verdict after it, from a code as it was typed, a token or a handle to the sealed step, and in making
//! them. `verification/constant_time/check.sh` shows it: valgrind's memcheck runs the verifications with every
//! secret marked as undefined, at optimisation 0, s, 3, and 3 with link-time optimisation, as compiled by the
//! compiler at hand. In the build as it is shipped, what shows are the verdicts, one branch each. Comparisons that
//! leak are caught in the same runs, and so is the library with one put into it. Beside it a statistical test
//! (dudect) times wrong input that differs early or late from what is right.
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
