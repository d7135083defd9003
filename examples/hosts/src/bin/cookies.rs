//! A web application with cookies: `axum`, and SQLite through `sqlx`. Mail is printed.
//!
//! `POST /login` (`name`) stands for a checked password; `POST /send` (`address`, or nothing) sends a code and answers
//! with its handle; `POST /verify` (`handle`, `code`) completes the sign-in; `GET /` says who is signed in.

use std::{any::Any, collections::HashMap, fmt::Display, sync::Arc};

use axum::{Form, Router, extract::FromRef, extract::State, http::StatusCode, routing::get, routing::post};
use axum_extra::extract::cookie::{self, Cookie, PrivateCookieJar as Jar, SameSite};
use countersign::{
    Account, BindingCode, Effect, EmailAddress, Entropy, FirstFactor, Key, KeyRing, Policy, Revision,
    Session, Step, Store, Subject, Swap, Verifier, Write, drive,
    effect::{Content, Message},
    session::{Audience, ClientId, Scope},
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
    client: ClientId,
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
type Done<T> = Result<(T, bool), Refused>;
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
        Ok(self.verifier.open(token.value(), Some(&self.client), OffsetDateTime::now_utc())?)
    }

    /// Takes a step, sends its mail, and says whether the sign-in is complete.
    async fn step<T>(&self, who: &Session, step: impl FnMut(Account) -> Step<T>) -> Done<T> {
        let (result, effects) = drive(&*self.rows, who.subject(), step).await?.into_parts();
        let mut complete = false;
        for effect in effects {
            match effect {
                Effect::Send(Message { to, content: Content::Code(code), .. }) => {
                    println!("mail to {}: {}", to.as_str(), code.expose());
                }
                Effect::IssueToken(_) => complete = true,
                other => println!("{other:?}"),
            }
        }
        Ok((result?, complete))
    }
}

async fn login(State(host): State<Host>, jar: Jar, Form(input): Input) -> Answer {
    let (subject, client) = (Subject::new(field(&input, "name"))?, host.client.clone());
    let first_factor = FirstFactor::new(subject, client, Audience::new("")?, Scope::new("")?);
    let token = host.verifier.begin(&first_factor, OffsetDateTime::now_utc(), &Entropy::draw(&mut SysRng)?);
    Ok((jar.add(set("pending", token.expose())), "now the second factor".to_owned()))
}

async fn send(State(host): State<Host>, jar: Jar, Form(input): Input) -> Answer {
    let (who, now, entropy) = (host.pending(&jar)?, OffsetDateTime::now_utc(), Entropy::draw(&mut SysRng)?);
    let sent = if field(&input, "address").is_empty() {
        let again = |account| host.verifier.challenge(&who, account, &Default::default(), now, &entropy);
        host.step(&who, again).await?.0.prompt.sent().cloned()
    } else {
        let to = EmailAddress::parse(field(&input, "address"))?.into();
        let enroll = |account| host.verifier.associate(&who, account, &to, now, &entropy);
        host.step(&who, enroll).await?.0.setup.sent().cloned()
    };
    Ok((jar, sent.ok_or("no code was sent")?.oob_code.expose().to_owned()))
}

async fn verify(State(host): State<Host>, jar: Jar, Form(input): Input) -> Answer {
    let (who, now) = (host.pending(&jar)?, OffsetDateTime::now_utc());
    let handle = host.verifier.open_oob_code(&who, field(&input, "handle"))?;
    let code = BindingCode::parse(field(&input, "code"))?;
    let verify = |account| host.verifier.verify_oob(&who, account, &handle, &code, now);
    host.step(&who, verify).await?.1.then_some(()).ok_or("one more factor is needed")?;
    Ok((jar.remove(set("pending", "")).add(set("user", who.subject().as_str())), "signed in".to_owned()))
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
    let host = Host { verifier, rows, client: ClientId::new("app")?, signing: cookie::Key::generate() };
    let home = async |jar: Jar| jar.get("user").map_or("nobody".to_owned(), |user| user.value().to_owned());
    let router = Router::new().route("/", get(home)).route("/login", post(login));
    let router = router.route("/send", post(send)).route("/verify", post(verify)).with_state(host);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
