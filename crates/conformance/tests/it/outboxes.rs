//! Outboxes that are not atomic with the record.

use std::{
    convert::Infallible,
    sync::{Condvar, Mutex},
    time::Duration,
};

use countersign::{Subject, Swap, Write, effect::Descriptor};
use countersign_conformance::{AsyncKit, Check, Concurrency, Kit, Violation};

use super::stores::{FEW, NOW, Rows, caught, run, violations};

fn queue(rows: &Rows, subject: &Subject, messages: Vec<Descriptor>) {
    let messages = messages.into_iter().map(|message| (subject.clone(), message));
    rows.outbox.lock().unwrap().extend(messages);
}

#[test]
fn messages_go_out_before_the_swap() {
    let rows = Rows::default();
    let swap = |mut write: Write| {
        queue(&rows, write.record.subject(), std::mem::take(&mut write.outbox));
        rows.swap(write)
    };
    let report = rows.kit(swap).outbox(|subject| rows.messages(subject)).run(&run(), NOW);
    let words =
        ["the message of a write that was answered Lost is in the outbox", "a lost swap sends nothing"];
    caught(&report, Check::Outbox, None, Violation::MessageStray, &words);
    assert_eq!(
        report.findings().filter(|finding| finding.violation != Violation::MessageStray).count(),
        0,
        "{report}"
    );
}

#[test]
fn messages_are_forgotten() {
    let rows = Rows::default();
    let swap = |mut write: Write| {
        write.outbox.clear();
        rows.swap(write)
    };
    let report = rows.kit(swap).outbox(|subject| rows.messages(subject)).run(&run(), NOW);
    caught(
        &report,
        Check::Outbox,
        None,
        Violation::MessageMissing,
        &["of a stored record is not in the outbox"],
    );
}

#[test]
fn messages_go_out_after_the_record_in_threads() {
    let rows = Rows::default();
    let (looks, looked) = (Mutex::new(0), Condvar::new());
    let swap = |mut write: Write| {
        let messages = std::mem::take(&mut write.outbox);
        let subject = write.record.subject().clone();
        let answer = rows.swap(write)?;
        let shown = subject.as_str().ends_with("outbox-is-atomic-threads") && !messages.is_empty();
        if answer == Swap::Stored && shown {
            // Three are looking: of four looks from now on one began with a load from now on.
            let looks = looks.lock().unwrap();
            let enough = *looks + 4;
            drop(looked.wait_timeout_while(looks, Duration::from_secs(5), |looks| *looks < enough).unwrap());
        }
        queue(&rows, &subject, if answer == Swap::Stored { messages } else { Vec::new() });
        Ok(answer)
    };
    let look = |subject: &Subject| {
        let seen = rows.messages(subject);
        *looks.lock().unwrap() += 1;
        looked.notify_all();
        seen
    };
    let report = rows.kit(swap).outbox(look).run(&run(), NOW);
    let words =
        ["of a stored record is not in the outbox", "before it commits, so that a crash between the two"];
    caught(&report, Check::Outbox, Some(Concurrency::Threads), Violation::MessageMissing, &words);
    assert_eq!(violations(&report, Check::Outbox, None), []);
}

#[tokio::test]
async fn messages_go_out_after_the_record_in_tasks() {
    let rows = Rows::default();
    let rows = &rows;
    let load = |subject: Subject| async move { rows.load(&subject) };
    let swap = |mut write: Write| async move {
        let messages = std::mem::take(&mut write.outbox);
        let subject = write.record.subject().clone();
        let answer = rows.swap(write)?;
        if answer == Swap::Stored {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            queue(rows, &subject, messages);
        }
        Ok::<_, Infallible>(answer)
    };
    let kit = AsyncKit::new(load, swap).outbox(|subject| async move { rows.messages(&subject) });
    let report = kit.rounds(FEW).run(&run(), NOW).await;
    caught(&report, Check::Outbox, Some(Concurrency::Tasks), Violation::MessageMissing, &[]);
    assert_eq!(violations(&report, Check::Outbox, None), []);
}

#[test]
fn messages_are_changed() {
    let rows = Rows::default();
    let look = |subject: &Subject| {
        let messages = rows.messages(subject)?;
        let edit = |message: Descriptor| {
            let text = serde_json::to_string(&message).unwrap().replace("user@", "User@");
            serde_json::from_str(&text).unwrap()
        };
        Ok::<_, Infallible>(messages.into_iter().map(edit).collect())
    };
    let report = rows.kit(|write| rows.swap(write)).outbox(look).run(&run(), NOW);
    caught(&report, Check::Outbox, None, Violation::Altered, &["came back with other content"]);
}

#[test]
fn messages_of_others_are_among_them() {
    let rows = Rows::default();
    let look = |_: &Subject| {
        let outbox = rows.outbox.lock().unwrap();
        Ok::<_, Infallible>(outbox.iter().map(|(_, message)| message.clone()).collect())
    };
    let report = rows.kit(|write| rows.swap(write)).outbox(look).run(&run(), NOW);
    caught(&report, Check::Outbox, None, Violation::MessageStray, &["a write without messages has"]);
}

#[test]
fn a_writer_that_fails_releases_the_readers() {
    let rows = Rows::default();
    let swap = |write: Write| {
        let shown = write.record.subject().as_str().contains("outbox-is-atomic-");
        if shown && !write.outbox.is_empty() { Err("disk full") } else { Ok(rows.swap(write).unwrap()) }
    };
    let kit = Kit::new(|subject| rows.load(subject), swap).outbox(|subject| rows.messages(subject));
    let report = kit.rounds(FEW).run(&run(), NOW);
    for concurrency in [Some(Concurrency::Threads), Some(Concurrency::Tasks)] {
        caught(&report, Check::Outbox, concurrency, Violation::StoreFails, &["a swap failed: disk full"]);
    }
    assert_eq!(violations(&report, Check::Outbox, None), []);
}

#[test]
fn the_outbox_cannot_be_read() {
    let rows = Rows::default();
    let look = |_: &Subject| Err::<Vec<Descriptor>, _>("no such table");
    let report = rows.kit(|write| rows.swap(write)).outbox(look).run(&run(), NOW);
    caught(
        &report,
        Check::Outbox,
        None,
        Violation::StoreFails,
        &["a look into the outbox failed: no such table"],
    );
}
