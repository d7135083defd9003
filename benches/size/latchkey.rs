//! A minimal host: redeems a mailed code.
use latchkey::{
    Account, Config, Email, Role, UserId,
    flow::{
        Client,
        email_link::{EmailCodeRequest, EmailLink, EmailLinkEvent, issue_code},
    },
    token,
};
use time::OffsetDateTime;

fn main() {
    std::process::exit(i32::from(run().is_none()));
}

fn run() -> Option<()> {
    let mut arguments = std::env::args().skip(1);
    let (address, typed) = (arguments.next()?, arguments.next()?);
    let now = OffsetDateTime::from_unix_timestamp(typed.len() as i64).ok()?;
    let mut rng = latchkey::os_rng().ok()?;
    let config = Config::builder(address.as_str(), "https://id.example.com").build().ok()?;
    let account = Account::new(UserId::random(&mut rng), Email::parse(&address).ok()?, Role::Member);
    let binding = token::issue(&mut rng).token;
    let (_, code_hash) = issue_code(&binding, 6, &mut rng);
    let request = EmailCodeRequest::new(account.id, token::issue(&mut rng).hash, code_hash, now, now, 1);
    let event = EmailLinkEvent::RedeemCode {
        binding: Some(binding),
        code: typed,
        request: Some(request),
        account: Some(account),
        client: Client::new(None, None),
    };
    EmailLink::Start.advance(&config, event, now, &mut rng).ok().map(drop)
}
