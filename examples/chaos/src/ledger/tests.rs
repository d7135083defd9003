//! Forged histories: each check must go red for its own kind of forgery, and stay quiet for an honest history.

use super::*;

struct History(Vec<(u64, Event)>);

const USER: &str = "a@example.com";

impl History {
    /// An enrollment that went as it should: transaction 1, handle `h1`, code 111111, token `t1`.
    fn honest() -> Self {
        Self(Vec::new())
            .opened(1, "h1", "111111")
            .answer(1, binding("h1", "111111"), token("t1"))
            .and(Event::Enrolled { user: USER.to_owned() })
    }

    fn and(mut self, event: Event) -> Self {
        self.0.push((0, event));
        self
    }

    fn opened(self, transaction: u64, handle: &str, code: &str) -> Self {
        self.and(Event::Begun { user: USER.to_owned(), transaction })
            .and(Event::Opened { transaction, handle: handle.to_owned() })
            .and(Event::Mailed { user: USER.to_owned(), message: handle.to_owned(), code: code.to_owned() })
    }

    fn answer(mut self, transaction: u64, proof: Proof, answer: Answer) -> Self {
        let attempt = u64::try_from(self.0.len()).unwrap_or(0);
        self = self.and(Event::Presented { attempt, user: USER.to_owned(), transaction, proof });
        self.and(Event::Answered { attempt, answer })
    }

    fn kinds(&self) -> BTreeSet<Kind> {
        audit(&self.0, Limits::AUTH0).into_iter().map(|violation| violation.kind).collect()
    }

    #[track_caller]
    fn is_red(&self, kind: Kind) {
        assert!(self.kinds().contains(&kind), "{:?} and not {kind:?}", self.kinds());
    }
}

fn binding(handle: &str, code: &str) -> Proof {
    Proof::Binding { handle: handle.to_owned(), code: code.to_owned() }
}

fn recovery(code: &str) -> Proof {
    Proof::Recovery { code: code.to_owned() }
}

fn token(id: &str) -> Answer {
    Answer::Token(id.to_owned())
}

fn refused(words: &str) -> Answer {
    Answer::Refused(words.to_owned())
}

#[test]
fn an_honest_history_is_quiet() {
    let history = History::honest()
        .answer(1, binding("h1", "111111"), refused(DEAD_TRANSACTION))
        .opened(2, "h2", "222222")
        .answer(2, binding("h2", "000000"), Answer::Wrong)
        .answer(2, binding("h2", "222222"), Answer::Unavailable)
        .answer(2, binding("h2", "222222"), token("t2"))
        .and(Event::Begun { user: USER.to_owned(), transaction: 3 })
        .answer(3, recovery("AAAA"), token("t3"))
        .answer(3, recovery("AAAA"), token("t3"))
        .and(Event::Seen { user: USER.to_owned(), enrolled: true });
    assert_eq!(history.kinds(), BTreeSet::new());
}

#[test]
fn a_token_without_a_mailed_code_is_red() {
    let history = History::honest().opened(2, "h2", "222222");
    history.answer(2, binding("h2", "333333"), token("t2")).is_red(Kind::TokenWithoutCode);
}

#[test]
fn a_token_for_the_code_of_an_earlier_transaction_is_red() {
    let history = History::honest().opened(2, "h2", "222222");
    history.answer(2, binding("h2", "111111"), token("t2")).is_red(Kind::TokenWithoutCode);
}

#[test]
fn a_token_for_a_challenge_that_nobody_asked_for_is_red() {
    let history = History::honest().opened(2, "h2", "222222");
    history.answer(2, binding("h9", "222222"), token("t2")).is_red(Kind::TokenWithoutCode);
}

#[test]
fn a_second_token_is_red() {
    History::honest().answer(1, binding("h1", "111111"), token("t9")).is_red(Kind::SecondToken);
    let recovered = History::honest().answer(2, recovery("AAAA"), token("t2"));
    recovered.answer(2, recovery("AAAA"), token("t3")).is_red(Kind::SecondToken);
}

#[test]
fn one_token_for_two_transactions_is_red() {
    let history = History::honest().opened(2, "h2", "222222");
    history.answer(2, binding("h2", "222222"), token("t1")).is_red(Kind::SharedToken);
}

#[test]
fn a_code_that_comes_back_from_the_dead_is_red() {
    let dead = History::honest().opened(2, "h2", "222222");
    let dead = dead.answer(2, binding("h2", "222222"), refused(DEAD_HANDLE));
    dead.answer(2, binding("h2", "222222"), token("t2")).is_red(Kind::RevivedCode);
    // Its answer was cut off and it was spent: the refusal that followed is proof enough.
    let spent = History::honest().opened(2, "h2", "222222");
    let spent = spent.answer(2, binding("h2", "222222"), refused(DEAD_TRANSACTION));
    spent.answer(2, binding("h2", "222222"), token("t2")).is_red(Kind::RevivedCode);
}

#[test]
fn a_token_that_only_a_wild_clock_called_expired_may_still_be_used() {
    let history = History::honest()
        .opened(2, "h2", "222222")
        .and(Event::Clock { offset: 86_400 })
        .answer(2, binding("h2", "222222"), refused(DEAD_TRANSACTION))
        .and(Event::Clock { offset: 0 })
        .answer(2, binding("h2", "222222"), token("t2"));
    assert_eq!(history.kinds(), BTreeSet::new());
    // A deadline that was seen to pass is another matter.
    let history = History::honest()
        .opened(2, "h2", "222222")
        .and(Event::Clock { offset: 400 })
        .answer(2, binding("h2", "222222"), refused(DEAD_HANDLE))
        .and(Event::Clock { offset: 0 });
    history.answer(2, binding("h2", "222222"), token("t2")).is_red(Kind::RevivedCode);
}

#[test]
fn a_recovery_code_that_works_twice_is_red() {
    let history = History::honest().answer(2, recovery("AAAA"), token("t2"));
    history.answer(3, recovery("AAAA"), token("t3")).is_red(Kind::RecoveryCodeTwice);
}

#[test]
fn a_lost_enrollment_is_red() {
    History::honest()
        .and(Event::Seen { user: USER.to_owned(), enrolled: false })
        .is_red(Kind::LostEnrollment);
}

#[test]
fn a_refunded_attempt_is_red() {
    let guesses = |count| {
        (0..count).fold(History::honest().opened(2, "h2", "222222"), |history, _| {
            history.answer(2, binding("h2", "000000"), Answer::Wrong)
        })
    };
    assert_eq!(guesses(10).kinds(), BTreeSet::new());
    guesses(11).is_red(Kind::RefundedAttempt);
    // Nor does another transaction refill the account's bucket; a clock that jumps ahead does so once.
    let next = || guesses(10).opened(3, "h3", "333333");
    next().answer(3, binding("h3", "000000"), Answer::Wrong).is_red(Kind::RefundedAttempt);
    let jumped = (0..10)
        .fold(guesses(10).and(Event::Clock { offset: 86_400 }).opened(3, "h3", "3"), |all, _| {
            all.answer(3, binding("h3", "000000"), Answer::Wrong)
        });
    assert_eq!(jumped.kinds(), BTreeSet::new());
    let back_and_forth = jumped.and(Event::Clock { offset: 0 }).and(Event::Clock { offset: 86_400 });
    let more = back_and_forth.opened(4, "h4", "4").answer(4, binding("h4", "000000"), Answer::Wrong);
    more.is_red(Kind::RefundedAttempt);
}

#[test]
fn a_right_code_that_is_called_wrong_is_red() {
    let history = History::honest().opened(2, "h2", "222222");
    history.answer(2, binding("h2", "222222"), Answer::Wrong).is_red(Kind::WrongVerdict);
}

#[test]
fn a_late_message_of_an_earlier_transaction_is_no_right_code() {
    let begun = |transaction| Event::Begun { user: USER.to_owned(), transaction };
    let opened = |transaction, handle: &str| Event::Opened { transaction, handle: handle.to_owned() };
    let mailed =
        |code: &str| Event::Mailed { user: USER.to_owned(), message: "m".to_owned(), code: code.to_owned() };
    // In the second transaction comes another copy of the first one's message, in the third the second one's.
    let history = History::honest()
        .and(begun(2))
        .and(opened(2, "h2"))
        .and(mailed("111111"))
        .answer(2, binding("h2", "111111"), Answer::Wrong)
        .and(begun(3))
        .and(opened(3, "h3"))
        .and(mailed("222222"))
        .answer(3, binding("h3", "222222"), Answer::Wrong);
    assert_eq!(history.kinds(), BTreeSet::new());
}

#[test]
fn an_answer_to_nothing_is_red() {
    History::honest()
        .and(Event::Answered { attempt: 99, answer: token("t9") })
        .is_red(Kind::TokenWithoutCode);
}

#[test]
fn the_file_has_what_was_entered() {
    let path = std::env::temp_dir().join(format!("countersign-ledger-{}.jsonl", std::process::id()));
    let ledger = Ledger::create(&path).map_err(|error| error.to_string());
    assert!(ledger.is_ok(), "{ledger:?}");
    if let Ok(ledger) = ledger {
        ledger.enter(Event::Enrolled { user: USER.to_owned() });
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    assert_eq!(written, "{\"event\":\"enrolled\",\"user\":\"a@example.com\"}\n");
}
