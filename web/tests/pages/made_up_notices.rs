//! Notices that nobody sent.

use medusa_api::{MailChoice, NewWebhook, NewWebhookSecret, Notice, NoticeState, Notices, Webhook};
use medusa_platform::{ApiError, Principal};
use medusa_types::{NoticeId, Uuid, WebhookId};
use medusa_web::{Answer, Told};

use super::made_up::{MadeUp, NOW, missing, no, yes};

pub(crate) const WEBHOOK: WebhookId = WebhookId(Uuid::from_u128(0x77));

fn webhook(url: &str) -> Webhook {
    let (failing_since, stopped_at) = (Some(NOW), None);
    Webhook { id: WEBHOOK, url: url.into(), created_at: NOW, failing_since, stopped_at }
}

impl Told for MadeUp {
    fn notices<'a>(&'a self, _: &'a Principal) -> Answer<'a, Notices> {
        let told = Notice {
            id: NoticeId(Uuid::from_u128(0x78)),
            webhook: Some(WEBHOOK),
            kind: "job.done".into(),
            position: Some(1_204),
            state: NoticeState::Waiting,
            tries: 2,
            answer: Some("HTTP 500".into()),
            created_at: NOW,
            due_at: Some(NOW.plus_ms(300_000)),
        };
        let mailed = Notice { webhook: None, state: NoticeState::Delivered, ..told.clone() };
        let webhooks = vec![webhook("https://lab.example/<hook>")];
        yes(Notices { mail: true, webhooks, recent: vec![told, mailed] })
    }

    fn choose_mail<'a>(&'a self, _: &'a Principal, _: MailChoice) -> Answer<'a, ()> {
        yes(())
    }

    fn add_webhook<'a>(
        &'a self,
        _: &'a Principal,
        _: String,
        wish: NewWebhook,
    ) -> Answer<'a, NewWebhookSecret> {
        if wish.url.starts_with("https://") {
            return yes(NewWebhookSecret {
                webhook: webhook(&wish.url),
                secret: "whsec_c2VjcmV0".into(),
            });
        }
        no(ApiError::field("accounts.webhook_refused", "/url", "deliveries go to https:// only"))
    }

    fn remove_webhook<'a>(&'a self, _: &'a Principal, id: WebhookId) -> Answer<'a, ()> {
        if id == WEBHOOK { yes(()) } else { missing("webhook") }
    }

    fn test_webhook<'a>(&'a self, _: &'a Principal, id: WebhookId) -> Answer<'a, ()> {
        if id == WEBHOOK { yes(()) } else { missing("webhook") }
    }
}
