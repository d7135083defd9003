//! The commands about clients. What a client may ask for is checked here, entry by entry, before anything is opened.

use clap::{Args, Subcommand, ValueEnum};

use crate::client::{AudienceUri, Grant, Origin, ScopeWord};

#[derive(Args, Debug)]
pub(crate) struct Clients {
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) action: ClientsAction,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ClientsAction {
    /// Adds a client and prints its new secret; of a public one, its name.
    Add(AddClient),
    /// Changes what a client may ask for. What is not given stays as it is.
    Set(SetClient),
    /// Shows every client.
    List,
    /// Shows one client.
    Show { client_id: String },
    /// Removes a client. It gets no token any more, and none that it has is taken by the MFA API.
    Remove { client_id: String },
}

#[derive(Args, Debug)]
pub(crate) struct AddClient {
    /// Its name, which must not look like the URI of an audience.
    pub(crate) client_id: String,
    /// Without a secret: for what runs in a browser or on a phone, which can keep none.
    #[arg(long)]
    pub(crate) public: bool,
    #[command(flatten)]
    pub(crate) registered: Registered,
}

#[derive(Args, Debug)]
pub(crate) struct SetClient {
    pub(crate) client_id: String,
    /// Make a new secret and print it; the former one ends at once. A public client becomes a confidential one.
    #[arg(long)]
    pub(crate) new_secret: bool,
    /// Empty this list. May be given for each.
    #[arg(long, value_enum, value_name = "LIST")]
    pub(crate) clear: Vec<Clearable>,
    #[command(flatten)]
    pub(crate) registered: Registered,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clearable {
    Audience,
    Origin,
}

#[derive(Args, Debug)]
pub(crate) struct Registered {
    /// A grant that it may use: password, mfa-oob, mfa-otp or mfa-recovery-code. May be given several times. Without
    /// it: all of them.
    #[arg(long, value_name = "GRANT")]
    pub(crate) grant: Vec<Grant>,
    /// The absolute URI of an API that it may ask for a token for. May be given several times. The audience of the
    /// MFA API need not be: it goes with the scopes enroll, read:authenticators and remove:authenticators.
    #[arg(long, value_name = "URI")]
    pub(crate) audience: Vec<AudienceUri>,
    /// The words that it may ask for in a scope, with spaces between them; "" for none. Without it: openid profile
    /// email enroll read:authenticators remove:authenticators
    #[arg(long, value_name = "WORDS", value_parser = Words::read)]
    pub(crate) scope: Option<Words>,
    /// An origin whose pages may call the server as this client, such as `https://app.example.com`. May be given
    /// several times.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Vec<Origin>,
}

#[derive(Clone, Debug)]
pub(crate) struct Words(pub(crate) Vec<ScopeWord>);

impl Words {
    fn read(text: &str) -> Result<Self, String> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}
