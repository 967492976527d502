//! How mail leaves the house: into a folder, to look at while developing, or to a mail server.

use std::path::PathBuf;

use lettre::message::Mailbox;
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
};

/// Where mail goes.
#[derive(Clone)]
pub enum MailConfig {
    /// Nowhere: nobody is asked whether they want any.
    Off,
    /// One file for each, in this folder.
    Folder(PathBuf),
    /// A mail server, as `smtps://name:password@host`.
    Server(String),
}

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It could not be written as a mail.
    #[error("the mail could not be written: {0}")]
    Message(#[from] lettre::error::Error),
    /// Sender or receiver.
    #[error("not a mail address: {0}")]
    Address(#[from] lettre::address::AddressError),
    /// The folder.
    #[error("the mail could not be put into its folder: {0}")]
    Folder(#[from] lettre::transport::file::Error),
    /// The mail server.
    #[error("the mail server refused: {0}")]
    Server(#[from] lettre::transport::smtp::Error),
}

/// Hands mail over.
pub(crate) struct Mailer {
    way: Way,
    from: Mailbox,
}

enum Way {
    Off,
    Folder(AsyncFileTransport<Tokio1Executor>),
    Server(AsyncSmtpTransport<Tokio1Executor>),
}

impl Mailer {
    /// Over this way, from this sender.
    pub(crate) fn new(config: &MailConfig, from: &str) -> Result<Self, MailError> {
        let way = match config {
            MailConfig::Off => Way::Off,
            MailConfig::Folder(path) => Way::Folder(AsyncFileTransport::new(path)),
            MailConfig::Server(url) => {
                Way::Server(AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?.build())
            }
        };
        Ok(Self { way, from: from.parse()? })
    }

    /// Whether mail goes anywhere.
    pub(crate) const fn is_on(&self) -> bool {
        !matches!(self.way, Way::Off)
    }

    /// Hands a mail over.
    pub(crate) async fn send(
        &self,
        to: &str,
        subject: &str,
        text: String,
    ) -> Result<(), MailError> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.parse()?)
            .subject(subject)
            .body(text)?;
        match &self.way {
            Way::Off => {}
            Way::Folder(folder) => drop(folder.send(message).await?),
            Way::Server(server) => drop(server.send(message).await?),
        }
        Ok(())
    }
}
