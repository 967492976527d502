//! `login`, `logout` and `me`.

use std::path::Path;

use anyhow::Context as _;
use medusa_api::{Login, Refresh, SignUp};
use medusa_client::{Session, TokenStore as _};

use crate::exit::{Exit, Fail};
use crate::output::{ask, can_ask};
use crate::{App, args};

pub(crate) async fn login(app: &App, args: args::Login) -> anyhow::Result<Exit> {
    let missing = |what, flag: &str| {
        Fail::new(Exit::Usage, format!("no {what} was given, and there is no terminal to ask on"))
            .next(format!("give {flag}"))
    };
    let email = match args.email {
        Some(email) => email,
        None if can_ask() => ask("Email:")?,
        None => return Err(missing("address", "--email").into()),
    };
    let password = match &args.password_file {
        Some(path) => read_secret(path).await?,
        None if can_ask() => ask_password(args.signup)?,
        None => return Err(missing("password", "--password-file, or - for standard input").into()),
    };
    let nobody = app.client.clone().with_session(None);
    let tokens = if args.signup {
        nobody.signup(&SignUp { email, password, name: args.name }).await?
    } else {
        nobody.login(&Login { email, password }).await?
    };
    let session = Session::begin(tokens);
    let me = nobody.with_session(Some(session.clone())).me().await?;
    app.tokens
        .put(session)
        .with_context(|| format!("could not write {}", app.tokens.file().display()))?;
    app.out.say(&format!("logged in to {} as {}", app.client.base_url(), me.email));
    Ok(Exit::Done)
}

pub(crate) async fn logout(app: &App) -> anyhow::Result<Exit> {
    let ended = match app.tokens.load().and_then(|session| session.refresh_token) {
        Some(refresh_token) => app.client.logout(&Refresh { refresh_token }).await,
        None => Ok(()),
    };
    let found = app
        .tokens
        .remove()
        .with_context(|| format!("could not write {}", app.tokens.file().display()))?;
    let server = app.client.base_url();
    if let Err(error) = ended {
        let error = anyhow::Error::new(error);
        app.out.say(&format!("the server still knows the forgotten token: {error:#}"));
    }
    app.out.say(&if found {
        format!("logged out of {server}")
    } else {
        format!("was not logged in to {server}")
    });
    Ok(Exit::Done)
}

pub(crate) async fn me(app: &App) -> anyhow::Result<Exit> {
    let me = app.client.me().await?;
    if app.out.json() {
        app.out.value(&me)?;
    } else {
        let roles: Vec<_> = me.roles.iter().map(ToString::to_string).collect();
        app.out.data(&format!("{}  {}  {}  {}", me.user, me.email, me.name, roles.join(", ")))?;
    }
    Ok(Exit::Done)
}

fn ask_password(twice: bool) -> anyhow::Result<String> {
    let password = rpassword::prompt_password("Password: ")?;
    if twice && rpassword::prompt_password("Again: ")? != password {
        return Err(Fail::new(Exit::Usage, "the two passwords differ").into());
    }
    Ok(password)
}

/// The first line of a file, or of standard input for `-`.
pub(crate) async fn read_secret(path: &Path) -> anyhow::Result<String> {
    let path = path.to_owned();
    let text = tokio::task::spawn_blocking(move || {
        if path.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin().lock()).context("could not read it from stdin")
        } else {
            std::fs::read_to_string(&path)
                .with_context(|| format!("could not read {}", path.display()))
        }
    });
    let text = text.await??;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() {
        Err(Fail::new(Exit::Usage, "the secret is empty").into())
    } else {
        Ok(line)
    }
}
