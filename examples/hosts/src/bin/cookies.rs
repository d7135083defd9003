//! A web application with cookies: `axum`, and SQLite through `sqlx`. Mail is printed.
//!
//! `POST /login` (`name`) stands for a checked password; `POST /send` (`address`, or nothing) sends a code and answers
//! with its handle; `POST /verify` (`handle`, `code`) completes the sign-in; `GET /` says who is signed in;
//! `POST /password` stands for a changed password, which ends all sessions.

use std::{any::Any, collections::HashMap, fmt::Display, sync::Arc};

use axum::{Form, Router, extract::FromRef, extract::State, http::StatusCode, routing::get, routing::post};
use axum_extra::extract::cookie::{self, Cookie, PrivateCookieJar as Jar, SameSite};
use countersign::{
    Account, BindingCode, Effect, Elevation, EmailAddress, Entropy, Key, KeyRing, Policy, Revision, Session,
    Step, Store, Subject, Swap, Verifier, Write, drive,
    effect::{Content, Message},
    time::OffsetDateTime,
};
use getrandom::SysRng;
use sqlx::{SqlitePool, query, query_scalar, types::Json};

struct Rows(SqlitePool);

impl Store for Rows {
    type Record = Account;
    type Error = sqlx::Error;

    async fn load(&self, subject: &Subject) -> Result<Option<Account>, sqlx::Error> {
        let row = query_scalar("SELECT record FROM accounts WHERE subject = $1").bind(subject.as_str());
        Ok(row.fetch_optional(&self.0).await?.map(|Json(account)| account))
    }

    async fn swap(&self, write: Write) -> Result<Swap, sqlx::Error> {
        let sql = match write.expected {
            Some(_) => "UPDATE accounts SET revision = $2, record = $3 WHERE subject = $1 AND revision = $4",
            None => "INSERT INTO accounts VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        };
        let query = query(sql).bind(write.subject().as_str()).bind(write.revision().as_i64());
        let query = query.bind(Json(&write.record)).bind(write.expected.map(Revision::as_i64));
        Ok(if query.execute(&self.0).await?.rows_affected() == 1 { Swap::Stored } else { Swap::Lost })
    }
}

#[derive(Clone, FromRef)]
struct Host {
    verifier: Arc<Verifier>,
    rows: Arc<Rows>,
    signing: cookie::Key,
}

/// Why something was refused: the details are for the log, and a client is told as little as possible.
struct Refused(StatusCode);

impl<E: Display + 'static> From<E> for Refused {
    fn from(error: E) -> Self {
        eprintln!("refused: {error}");
        let store = (&error as &dyn Any).is::<countersign::store::DriveError<sqlx::Error>>();
        Self(if store { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN })
    }
}

impl axum::response::IntoResponse for Refused {
    fn into_response(self) -> axum::response::Response {
        (self.0, "That did not work. Try again, or sign in again.").into_response()
    }
}

type Answer = Result<(Jar, String), Refused>;
type Done<T> = Result<(T, Option<Elevation>), Refused>;
type Input = Form<HashMap<String, String>>;

/// A cookie that no script reads and no other site sends; add `secure` and the prefix `__Host-` on HTTPS.
fn set(name: &'static str, value: &str) -> Cookie<'static> {
    Cookie::build((name, value.to_owned())).path("/").http_only(true).same_site(SameSite::Strict).build()
}

fn field<'a>(input: &'a HashMap<String, String>, name: &str) -> &'a str {
    input.get(name).map_or("", String::as_str)
}

impl Host {
    fn pending(&self, jar: &Jar) -> Result<Session, Refused> {
        let token = jar.get("pending").ok_or("nobody is signing in")?;
        Ok(self.verifier.open(token.value(), None, OffsetDateTime::now_utc())?)
    }

    /// Who is signed in, unless something ended the session: a change of the password or of a factor.
    async fn signed_in(&self, jar: &Jar) -> Result<Option<Elevation>, Refused> {
        let Some(cookie) = jar.get("session") else { return Ok(None) };
        let kept: Elevation = serde_json::from_str(cookie.value())?;
        let account = self.rows.load(kept.subject()).await?;
        Ok(account.is_some_and(|account| account.admits(&kept)).then_some(kept))
    }

    async fn account(&self, subject: &Subject) -> Result<Account, sqlx::Error> {
        Ok(self.rows.load(subject).await?.unwrap_or_else(|| Account::new(subject)))
    }

    /// Takes a step, sends its mail, and gives what to keep with the session if the sign-in is complete.
    async fn step<T>(&self, who: &Subject, step: impl FnMut(Account) -> Step<T>) -> Done<T> {
        let (result, effects) = drive(&*self.rows, who, step).await?.into_parts();
        let mut kept = None;
        for effect in effects {
            match effect {
                Effect::Send(Message { to, content: Content::Code(code), .. }) => {
                    println!("mail to {}: {}", to.as_str(), code.expose());
                }
                Effect::IssueToken(token) => kept = Some(token.elevation),
                other => println!("{other:?}"),
            }
        }
        Ok((result?, kept))
    }
}

async fn login(State(host): State<Host>, jar: Jar, Form(input): Input) -> Answer {
    let (subject, now) = (Subject::new(field(&input, "name"))?, OffsetDateTime::now_utc());
    // Before the password is looked at: one that is changed meanwhile lets nobody in.
    let first_factor = host.verifier.prepare(&host.account(&subject).await?);
    // Here a real host checks the password.
    let (account, entropy) = (host.account(&subject).await?, Entropy::draw(&mut SysRng)?);
    let begun = host.verifier.begin(first_factor, &account, now, &entropy)?;
    Ok((jar.add(set("pending", begun.token.expose())), "now the second factor".to_owned()))
}

async fn send(State(host): State<Host>, jar: Jar, Form(input): Input) -> Answer {
    let (who, now, entropy) = (host.pending(&jar)?, OffsetDateTime::now_utc(), Entropy::draw(&mut SysRng)?);
    let sent = if field(&input, "address").is_empty() {
        let again = |account| host.verifier.challenge(&who, account, &Default::default(), now, &entropy);
        host.step(who.subject(), again).await?.0.prompt.sent().cloned()
    } else {
        let to = EmailAddress::parse(field(&input, "address"))?.into();
        let enroll = |account| host.verifier.associate(&who, account, &to, now, &entropy);
        host.step(who.subject(), enroll).await?.0.setup.sent().cloned()
    };
    Ok((jar, sent.ok_or("no code was sent")?.oob_code.expose().to_owned()))
}

async fn verify(State(host): State<Host>, jar: Jar, Form(input): Input) -> Answer {
    let (who, now) = (host.pending(&jar)?, OffsetDateTime::now_utc());
    let handle = host.verifier.open_oob_code(&who, field(&input, "handle"))?;
    let code = BindingCode::parse(field(&input, "code"))?;
    let verify = |account| host.verifier.verify_oob(&who, account, &handle, &code, now, None);
    let kept = host.step(who.subject(), verify).await?.1.ok_or("one more factor is needed")?;
    let session = set("session", &serde_json::to_string(&kept)?);
    Ok((jar.remove(set("pending", "")).add(session), "signed in".to_owned()))
}

async fn password(State(host): State<Host>, jar: Jar) -> Answer {
    let kept = host.signed_in(&jar).await?.ok_or("nobody is signed in")?;
    // After the new password is stored.
    let revoke = |account| host.verifier.revoke_sessions(account, OffsetDateTime::now_utc());
    host.step(kept.subject(), revoke).await?;
    Ok((jar, "sign in anew".to_owned()))
}

async fn home(State(host): State<Host>, jar: Jar) -> Result<String, Refused> {
    let kept = host.signed_in(&jar).await?;
    Ok(kept.map_or_else(|| "nobody".to_owned(), |kept| kept.subject().to_string()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [listen, file] = arguments.as_slice() else { return Err("ADDRESS FILE".into()) };
    let rows = SqlitePool::connect(&format!("sqlite://{file}?mode=rwc")).await?;
    let table = "CREATE TABLE IF NOT EXISTS accounts (subject PRIMARY KEY, revision, record)";
    query(table).execute(&rows).await?;
    // A real host keeps its keys beside the database and not in it.
    let keys = KeyRing::new("cookies", Key::generate(&mut SysRng)?, Key::generate(&mut SysRng)?)?;
    let (verifier, rows) = (Arc::new(Verifier::new(keys, Policy::default())), Arc::new(Rows(rows)));
    let host = Host { verifier, rows, signing: cookie::Key::generate() };
    let router = Router::new().route("/", get(home)).route("/login", post(login));
    let router = router.route("/send", post(send)).route("/verify", post(verify));
    let router = router.route("/password", post(password)).with_state(host);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
