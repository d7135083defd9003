//! The commands about clients. A secret is shown once, when it is made, and never again: the database has only its
//! hash.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{ADMINISTRATOR, Answer, Failure, open, open_existing};
use crate::{
    audit::administrator,
    client::{Client, Grant, ScopeWord, to_column},
    first_factor::secret_hash,
    options::{AddClient, Clearable, ClientsAction, Data, SetClient},
    random,
    store::Database,
};

pub(super) async fn run(action: ClientsAction, data: &Data) -> Result<Answer, Failure> {
    match action {
        ClientsAction::Add(options) => add(data, options).await,
        ClientsAction::Set(options) => set(data, options).await,
        ClientsAction::List => {
            let clients = open_existing(data).await?.clients().await?;
            let json = json!({ "clients": clients.iter().map(shown).collect::<Vec<_>>() });
            Ok(Answer::new(table(&clients), json))
        }
        ClientsAction::Show { client_id } => {
            let client = find(&*open_existing(data).await?, &client_id).await?;
            Ok(Answer::new(lines(&client), shown(&client)))
        }
        ClientsAction::Remove { client_id } => remove(data, &client_id).await,
    }
}

async fn add(data: &Data, options: AddClient) -> Result<Answer, Failure> {
    let AddClient { client_id, public, registered } = options;
    if client_id == ADMINISTRATOR {
        return Err(format!(
            "{ADMINISTRATOR:?} is how the log names those who run commands: choose another id"
        )
        .into());
    }
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
    client.check(&database.clients().await?)?;
    if !database.add_client(&client).await? {
        return Err(Failure::taken(format!(
            "{} is there already: clients set changes what it may ask for",
            client.client_id
        )));
    }
    administrator::concerns_client(&client.client_id);
    Ok(told(client, (!public).then_some(secret)))
}

async fn set(data: &Data, options: SetClient) -> Result<Answer, Failure> {
    let SetClient { client_id, new_secret: renew, clear, registered } = options;
    let database = open_existing(data).await?;
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
    let others: Vec<_> = database.clients().await?;
    client.check(&others)?;
    if !database.replace_client(&client).await? {
        return Err(nobody(&client_id));
    }
    Ok(told(client, secret))
}

async fn remove(data: &Data, client_id: &str) -> Result<Answer, Failure> {
    if open_existing(data).await?.remove_client(client_id).await? {
        administrator::concerns_client(client_id);
        let text = format!(
            "{client_id} is removed. It gets no token any more, and none that it has is taken by the MFA API."
        );
        Ok(Answer::new(text, json!({ "client_id": client_id })))
    } else {
        Err(nobody(client_id))
    }
}

async fn find(database: &dyn Database, client_id: &str) -> Result<Client, Failure> {
    database.client(client_id).await?.ok_or_else(|| nobody(client_id))
}

fn nobody(client_id: &str) -> Failure {
    Failure::not_found(format!("there is no client {client_id:?}: clients list shows those that there are"))
}

fn new_secret() -> Result<String, Failure> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
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
fn told(client: Client, secret: Option<String>) -> Answer {
    let mut json = shown(&client);
    if let (Value::Object(json), Some(secret)) = (&mut json, &secret) {
        json.insert("client_secret".to_owned(), secret.as_str().into());
    }
    Answer::new(secret.unwrap_or(client.client_id), json)
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
