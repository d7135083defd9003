//! The commands about clients. A secret is shown once, when it is made, and never again: the database has only its hash.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::open;
use crate::{
    audit::administrator,
    client::{Client, Grant, ScopeWord, to_column},
    first_factor::secret_hash,
    options::{AddClient, Clearable, ClientsAction, Data, SetClient},
    random,
    store::{Database, StoreError},
};

pub(super) async fn run(action: ClientsAction, data: &Data) -> Result<String, String> {
    match action {
        ClientsAction::Add(options) => add(data, options).await,
        ClientsAction::Set(options) => set(data, options).await,
        ClientsAction::List { json } => {
            let clients = open(data).await?.clients().await.map_err(said)?;
            Ok(if json { pretty(&clients.iter().map(shown).collect()) } else { table(&clients) })
        }
        ClientsAction::Show { client_id, json } => {
            let client = find(&*open(data).await?, &client_id).await?;
            Ok(if json { pretty(&shown(&client)) } else { lines(&client) })
        }
        ClientsAction::Remove { client_id } => remove(data, &client_id).await,
    }
}

pub(super) async fn add(data: &Data, options: AddClient) -> Result<String, String> {
    let AddClient { client_id, public, registered, json } = options;
    let secret = new_secret()?;
    let client = Client {
        client_id,
        secret_hash: (!public).then(|| secret_hash(&secret)),
        grants: or(registered.grant, || Grant::ALL.to_vec()),
        audiences: unique(registered.audience),
        scopes: registered.scope.map_or_else(ScopeWord::own, |words| unique(words.0)),
        origins: unique(registered.origin),
    };
    let database = open(data).await?;
    client.check(&database.clients().await.map_err(said)?)?;
    if !database.add_client(&client).await.map_err(said)? {
        return Err(format!(
            "{} is there already: clients set changes what it may ask for",
            client.client_id
        ));
    }
    administrator::concerns_client(&client.client_id);
    Ok(told(client, (!public).then_some(secret), json))
}

async fn set(data: &Data, options: SetClient) -> Result<String, String> {
    let SetClient { client_id, new_secret: renew, clear, registered, json } = options;
    let database = open(data).await?;
    let mut client = find(&*database, &client_id).await?;
    client.grants = or(registered.grant, || client.grants);
    client.audiences = if clear.contains(&Clearable::Audience) {
        Vec::new()
    } else {
        or(registered.audience, || client.audiences)
    };
    client.scopes = registered.scope.map_or(client.scopes, |words| unique(words.0));
    client.origins = if clear.contains(&Clearable::Origin) {
        Vec::new()
    } else {
        or(registered.origin, || client.origins)
    };
    let mut secret = None;
    if renew {
        let made = new_secret()?;
        client.secret_hash = Some(secret_hash(&made));
        secret = Some(made);
    }
    let others: Vec<_> = database.clients().await.map_err(said)?;
    client.check(&others)?;
    if !database.replace_client(&client).await.map_err(said)? {
        return Err(nobody(&client_id));
    }
    Ok(told(client, secret, json))
}

pub(super) async fn remove(data: &Data, client_id: &str) -> Result<String, String> {
    if open(data).await?.remove_client(client_id).await.map_err(said)? {
        administrator::concerns_client(client_id);
        Ok(format!(
            "{client_id} is removed. It gets no token any more, and none that it has is taken by the MFA API."
        ))
    } else {
        Err(nobody(client_id))
    }
}

async fn find(database: &dyn Database, client_id: &str) -> Result<Client, String> {
    database.client(client_id).await.map_err(said)?.ok_or_else(|| nobody(client_id))
}

fn nobody(client_id: &str) -> String {
    format!("there is no client {client_id:?}: clients list shows those that there are")
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn said(error: StoreError) -> String {
    error.to_string()
}

fn new_secret() -> Result<String, String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>().map_err(|error| error.to_string())?))
}

/// What was given, or else something.
fn or<T: PartialEq>(given: Vec<T>, other: impl FnOnce() -> Vec<T>) -> Vec<T> {
    if given.is_empty() { other() } else { unique(given) }
}

/// In the order that was given, each once.
fn unique<T: PartialEq>(given: Vec<T>) -> Vec<T> {
    given.into_iter().fold(Vec::new(), |mut kept, entry| {
        if !kept.contains(&entry) {
            kept.push(entry);
        }
        kept
    })
}

/// The secret alone, so that a script can take it; the name of a client without a new one.
fn told(client: Client, secret: Option<String>, json: bool) -> String {
    if !json {
        return secret.unwrap_or(client.client_id);
    }
    let mut shown = shown(&client);
    if let (Value::Object(shown), Some(secret)) = (&mut shown, secret) {
        shown.insert("client_secret".to_owned(), secret.into());
    }
    pretty(&shown)
}

fn shown(client: &Client) -> Value {
    json!({
        "client_id": client.client_id,
        "public": client.is_public(),
        "grants": texts(&client.grants),
        "audiences": texts(&client.audiences),
        "scopes": texts(&client.scopes),
        "origins": texts(&client.origins),
    })
}

fn texts<T: AsRef<str>>(entries: &[T]) -> Vec<&str> {
    entries.iter().map(AsRef::as_ref).collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

fn kind(client: &Client) -> &'static str {
    if client.is_public() { "public" } else { "confidential" }
}

fn lines(client: &Client) -> String {
    let list = |entries: String| if entries.is_empty() { "none".to_owned() } else { entries };
    format!(
        "client     {}\nkind       {}\ngrants     {}\naudiences  {}\nscopes     {}\norigins    {}",
        client.client_id,
        kind(client),
        list(to_column(&client.grants)),
        list(to_column(&client.audiences)),
        list(to_column(&client.scopes)),
        list(to_column(&client.origins)),
    )
}

fn table(clients: &[Client]) -> String {
    if clients.is_empty() {
        return "There are no clients: clients add makes one.".to_owned();
    }
    clients.iter().map(lines).collect::<Vec<_>>().join("\n\n")
}
