//! `render`: a stored descriptor becomes its effect again, under the same id.

use countersign::{
    Account, Effect, Policy, Subject,
    effect::{Descriptor, RenderError},
};
use countersign_testkit::World;

#[test]
fn a_message_is_rendered_for_its_own_record_and_keeps_its_id() {
    let mut world = World::new(Policy::default());
    world.enroll("user@example.com");
    world.pass(86_400);
    let session = world.login();
    world.challenge(&session).unwrap();
    let sent = world.mail();
    world.pass(61);
    world.challenge(&session).unwrap();
    assert_ne!(world.mail().id, sent.id);
    let own = world.account();
    let other = Account::new(&Subject::new("user-2").unwrap());
    let (mut mails, mut notes) = (0, 0);
    for descriptor in &*world.store.outbox.borrow() {
        assert_eq!(
            world.verifier.render(&other, descriptor, world.now).unwrap_err(),
            RenderError::WrongRecord
        );
        match descriptor {
            Descriptor::Notify(notify) => {
                let Ok(Effect::Notify(shown)) = world.verifier.render(&own, descriptor, world.now) else {
                    panic!()
                };
                assert_eq!(shown.id, notify.id);
                notes += 1;
            }
            Descriptor::Send(email) if email.id == sent.id => {
                let Ok(Effect::Send(mail)) = world.verifier.render(&own, descriptor, world.now) else {
                    panic!()
                };
                let mail = countersign_testkit::Mail::from(mail);
                assert_eq!((mail.id, mail.code.expose()), (sent.id, sent.code.expose()));
                mails += 1;
            }
            _ => {}
        }
    }
    assert!(mails == 1 && notes > 0);
    let said =
        [RenderError::NotLive, RenderError::KeyUnknown, RenderError::WrongRecord].map(|it| it.to_string());
    assert_eq!(said[0], "the message is not live any more");
    assert_eq!(said[1], "the key of the message's challenge is not in the ring");
    assert_eq!(
        said[2],
        "the message belongs to another subject than the record, or the record to another tenant"
    );
}
