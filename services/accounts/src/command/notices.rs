//! What a person is told outside the website, and where.

use medusa_api::{MailChoice, NewWebhook, NewWebhookSecret, Notices};
use medusa_eventlog::Operation;
use medusa_types::{NoticeId, Sha256Hash, UserId, WebhookId};

use crate::domain::{secret_text, target, test_news};
use crate::store::{logins, notices};
use crate::{Accounts, AccountsError};

/// Webhooks of one person.
const WEBHOOKS_MAX: usize = 10;

impl Accounts {
    /// How a person is told, and what was told lately.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notices(&self, who: UserId) -> Result<Notices, AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        let webhooks = notices::webhooks(&mut db, who, None).await?;
        Ok(Notices {
            mail: self.0.mailer.is_on() && notices::wants_mail(&mut db, who).await?,
            webhooks: webhooks.into_iter().map(|(webhook, _)| webhook).collect(),
            recent: notices::recent(&mut db, who).await?,
        })
    }

    /// Chooses whether mail tells that a job has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn choose_mail(&self, who: UserId, choice: MailChoice) -> Result<(), AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        Ok(notices::choose_mail(&mut db, who, choice.mail).await?)
    }

    /// Adds an address that is told. Repeated with the same key, it answers the same.
    ///
    /// # Errors
    /// [`AccountsError::Target`], [`AccountsError::TooManyWebhooks`], and
    /// [`AccountsError::KeyReused`] when the key had another address.
    pub async fn add_webhook(
        &self,
        who: UserId,
        key: &str,
        wish: NewWebhook,
    ) -> Result<NewWebhookSecret, AccountsError> {
        let url = target(wish.url.trim(), self.0.private_targets)?.to_string();
        let request = Sha256Hash::of(url.as_bytes());
        let id = WebhookId(Operation::client(who, &format!("webhook:{key}"), request).id());
        let mut db = self.0.pool.begin().await?;
        // Two at once must not both find room for one more.
        logins::lock(&mut db, who).await?;
        let there = notices::webhooks(&mut db, who, None).await?;
        if there.iter().all(|(webhook, _)| webhook.id != id) {
            if there.len() >= WEBHOOKS_MAX {
                return Err(AccountsError::TooManyWebhooks);
            }
            let (secret, now) = (self.0.random.secret(), self.0.clock.now());
            notices::insert_webhook(&mut db, who, id, (&url, secret), now).await?;
        }
        let made = notices::webhooks(&mut db, who, Some(id)).await?.pop();
        let (webhook, secret) = made.ok_or(AccountsError::WebhookUnknown)?;
        db.commit().await?;
        if webhook.url != url {
            return Err(AccountsError::KeyReused);
        }
        Ok(NewWebhookSecret { webhook, secret: secret_text(&secret) })
    }

    /// Removes an address; what waits for it is not sent any more.
    ///
    /// # Errors
    /// [`AccountsError::WebhookUnknown`].
    pub async fn remove_webhook(&self, who: UserId, id: WebhookId) -> Result<(), AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        let removed = notices::remove_webhook(&mut db, who, id).await?;
        if removed { Ok(()) } else { Err(AccountsError::WebhookUnknown) }
    }

    /// Sends a test to an address, also to one that was given up.
    ///
    /// # Errors
    /// [`AccountsError::WebhookUnknown`].
    pub async fn test_webhook(&self, who: UserId, id: WebhookId) -> Result<(), AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        if notices::webhooks(&mut db, who, Some(id)).await?.is_empty() {
            return Err(AccountsError::WebhookUnknown);
        }
        let now = self.0.clock.now();
        let news = test_news(who, now);
        Ok(notices::insert_test(&mut db, NoticeId(self.0.random.id()), id, &news, now).await?)
    }
}
