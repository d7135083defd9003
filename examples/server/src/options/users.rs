//! `users`: everything that an administrator does about one user.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct Users {
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) action: UsersAction,
}

#[derive(Subcommand, Debug)]
pub(crate) enum UsersAction {
    /// Lists users by their address, page by page.
    List {
        /// Only users with this text in their address.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        contains: String,

        /// Only users in this state.
        #[arg(long, value_enum)]
        only: Option<Filter>,

        /// Begin behind this address: the `next` of the page before.
        #[arg(
            long,
            value_name = "EMAIL",
            default_value = "",
            hide_default_value = true,
            allow_hyphen_values = true
        )]
        after: String,

        /// How many a page has.
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Shows one user: the lock, the authenticators, the recovery codes left, and the keys that they hang on.
    Show {
        #[command(flatten)]
        user: Named,

        /// Show addresses whole and not masked.
        #[arg(long)]
        whole: bool,
    },
    /// Adds a user. The password is asked for on a terminal, or read from the first line of the standard input.
    Add(NewUser),
    /// Removes a user with the record and the messages that wait. Tokens from before are refused.
    Remove(Named),
    /// Gives a user another password and ends the sessions. It is asked for on a terminal, or read from the first
    /// line of the standard input.
    SetPassword(Named),
    /// Drops all second factors of a user whose identity was proven anew, and ends the sessions.
    Reset(Named),
    /// Lifts the lock of a user who typed too many wrong codes.
    Unlock(Named),
    /// Removes one authenticator and ends the sessions.
    RemoveAuthenticator {
        #[command(flatten)]
        user: Named,

        /// The id that `users show` tells.
        id: String,
    },
    /// Lists the devices that a user had remembered.
    Devices(Named),
    /// Forgets one remembered device and ends the sessions.
    ForgetDevice {
        #[command(flatten)]
        user: Named,

        /// The id that `users devices` tells.
        id: String,
    },
    /// Refuses every token from before: `mfa_token`s and access tokens for this server.
    RevokeSessions {
        /// The user's address.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        email: Option<String>,

        /// Those of all users.
        #[arg(long)]
        all: bool,

        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// A user, by the address.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The user's address.
    pub(crate) email: String,
}

#[derive(Args, Debug)]
pub(crate) struct NewUser {
    /// The address, which is also the name to sign in with.
    pub(crate) email: String,

    /// The address was verified by other means.
    #[arg(long)]
    pub(crate) verified: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Filter {
    /// Those who can type no code now.
    Locked,
    /// Those who get long codes now, after many wrong ones.
    Hardened,
    /// Those who have a second factor.
    Enrolled,
    /// Those who have none.
    Unenrolled,
}
