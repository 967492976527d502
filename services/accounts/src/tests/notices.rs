//! What people are told: signed, once, tried again, and given up.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use medusa_api::{MailChoice, NewWebhook, NoticeState, Notices};
use medusa_eventlog::NewEvent;
use medusa_events::{EndState, Fact};
use medusa_types::{JobId, UserId, Uuid};
use sha2::Sha256;

use super::world::{World, code};
use crate::{MailConfig, deliver_regularly};

/// A receiver on this machine that answers as it is told and remembers what came.
#[derive(Clone)]
struct Receiver {
    url: String,
    answer: Arc<Mutex<u16>>,
    got: Arc<Mutex<Vec<(HashedHeaders, String)>>>,
}

/// Id, timestamp and signature.
type HashedHeaders = (String, String, String);

impl Receiver {
    fn start() -> Self {
        let (answer, got) = (Arc::new(Mutex::new(200)), Arc::default());
        let receiver = Self { url: String::new(), answer, got };
        let data = web::Data::new(receiver.clone());
        let server = HttpServer::new(move || {
            App::new().app_data(data.clone()).default_service(web::to(Self::take))
        });
        let server = server.workers(1).bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { url, ..receiver }
    }

    fn take(me: web::Data<Self>, req: HttpRequest, body: String) -> Ready<HttpResponse> {
        let header = |name: &str| req.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let signed =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        me.got.lock().unwrap().push((signed, body));
        let status = *me.answer.lock().unwrap();
        ready(HttpResponse::new(StatusCode::from_u16(status).unwrap()))
    }

    async fn wait_for(&self, count: usize) -> Vec<(HashedHeaders, String)> {
        for _ in 0..400 {
            let got = self.got.lock().unwrap().clone();
            if got.len() >= count {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{count} deliveries did not come");
    }
}

fn provider() {
    // Another test of this process may have installed it.
    drop(rustls::crypto::ring::default_provider().install_default());
}

async fn end_a_job(world: &World, owner: UserId, n: u128) {
    let job = JobId(Uuid::from_u128(n));
    let (state, code, results) = (EndState::Done, None, Vec::new());
    let fact = Fact::JobEnded { job, owner, state, code, results };
    world.log.append_one(None, NewEvent::new(format!("job-{job}"), fact)).await.unwrap();
}

async fn seen(world: &World, who: UserId, until: impl Fn(&Notices) -> bool) -> Notices {
    for _ in 0..400 {
        let notices = world.accounts.notices(who).await.unwrap();
        if until(&notices) {
            return notices;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not seen: {:?}", world.accounts.notices(who).await);
}

#[actix_web::test]
async fn a_job_that_ends_is_told_once_and_signed() {
    provider();
    let (world, receiver) = (World::new().await, Receiver::start());
    let (ada, bob) = (world.person("ada@example.org").await, world.person("b@example.org").await);
    let wish = || NewWebhook { url: receiver.url.clone() };
    let made = world.accounts.add_webhook(ada, "key", wish()).await.unwrap();
    let again = world.accounts.add_webhook(ada, "key", wish()).await.unwrap();
    assert_eq!((&made.webhook, &made.secret), (&again.webhook, &again.secret));
    deliver_regularly(&world.accounts, world.stop.clone());
    end_a_job(&world, bob, 1).await;
    end_a_job(&world, ada, 2).await;
    let got = receiver.wait_for(1).await;
    let ((id, seconds, signature), body) = &got[0];

    // As a stranger would check it, from the secret's text alone.
    let secret = STANDARD.decode(made.secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
    assert!(mac.verify_slice(&tag).is_ok(), "{signature}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["job"]),
        (&"job.done".into(), &"job_00000000000000000000000000000002".into(),)
    );
    let notices = seen(&world, ada, |n| n.recent.iter().all(|n| n.tries == 1)).await;
    assert_eq!(notices.recent.iter().filter(|n| n.webhook.is_some()).count(), 1);
    assert!(world.accounts.notices(bob).await.unwrap().webhooks.is_empty());
}

#[actix_web::test]
async fn a_delivery_is_tried_again_until_it_arrives_and_ends_when_the_place_is_gone() {
    provider();
    let (world, receiver) = (World::new().await, Receiver::start());
    let ada = world.person("ada@example.org").await;
    let wish = NewWebhook { url: receiver.url.clone() };
    let id = world.accounts.add_webhook(ada, "key", wish).await.unwrap().webhook.id;
    *receiver.answer.lock().unwrap() = 500;
    deliver_regularly(&world.accounts, world.stop.clone());
    world.accounts.test_webhook(ada, id).await.unwrap();
    receiver.wait_for(1).await;
    let failing = seen(&world, ada, |n| n.webhooks[0].failing_since.is_some()).await;
    assert_eq!(failing.recent[0].state, NoticeState::Waiting);
    assert_eq!(failing.recent[0].answer.as_deref(), Some("HTTP 500"));
    *receiver.answer.lock().unwrap() = 204;
    world.wait(6);
    let got = receiver.wait_for(2).await;
    assert_eq!(got[0].0.0, got[1].0.0, "a repetition has the same id");
    let well = seen(&world, ada, |n| n.webhooks[0].failing_since.is_none()).await;
    assert_eq!((well.recent[0].state, well.recent[0].tries), (NoticeState::Delivered, 2));

    *receiver.answer.lock().unwrap() = 410;
    world.accounts.test_webhook(ada, id).await.unwrap();
    let ended = seen(&world, ada, |n| n.webhooks[0].stopped_at.is_some()).await;
    assert!(ended.recent.iter().any(|n| n.state == NoticeState::GivenUp));
    end_a_job(&world, ada, 3).await;
    end_a_job(&world, ada, 4).await;
    let told = seen(&world, ada, |n| n.recent.len() >= 4).await;
    assert!(told.recent.iter().filter(|n| n.kind == "job.done").all(|n| n.webhook.is_none()));
}

#[actix_web::test]
async fn mail_goes_to_whoever_wants_it() {
    provider();
    let folder = std::env::temp_dir().join(format!("medusa-mail-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let world = World::with_mail(MailConfig::Folder(folder.clone())).await;
    let ada = world.person("ada@example.org").await;
    let bob = world.person("bob@example.org").await;
    world.accounts.choose_mail(bob, MailChoice { mail: false }).await.unwrap();
    deliver_regularly(&world.accounts, world.stop.clone());
    end_a_job(&world, bob, 5).await;
    end_a_job(&world, ada, 6).await;
    seen(&world, ada, |n| n.recent.first().is_some_and(|n| n.state == NoticeState::Delivered))
        .await;
    let mails: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].contains("To: ada@example.org"), "{}", mails[0]);
    assert!(mails[0].contains("/app/jobs/job_00000000000000000000000000000006"), "{}", mails[0]);
    let bob = world.accounts.notices(bob).await.unwrap();
    assert!(!bob.mail && bob.recent.is_empty());
}

#[actix_web::test]
async fn webhooks_that_are_added_at_the_same_time_are_ten_at_most() {
    provider();
    let world = World::new().await;
    let ada = world.person("ada@example.org").await;
    let all = (0..30).map(|n| {
        let wish = NewWebhook { url: "https://a.example".into() };
        let accounts = world.accounts.clone();
        async move { accounts.add_webhook(ada, &format!("key{n}"), wish).await }
    });
    let made = futures_util::future::join_all(all).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 10);
    assert_eq!(world.accounts.notices(ada).await.unwrap().webhooks.len(), 10);
}

#[actix_web::test]
async fn bad_webhooks_are_refused_with_words() {
    provider();
    let world = World::new().await;
    let ada = world.person("ada@example.org").await;
    let bob = world.person("bob@example.org").await;
    let add = async |key: &str, url: &str| {
        world.accounts.add_webhook(ada, key, NewWebhook { url: url.into() }).await
    };
    assert_eq!(code(add("a", "nonsense").await), "accounts.webhook_refused");
    assert_eq!(code(add("a", "ftp://a.example").await), "accounts.webhook_refused");
    let made = add("a", "https://a.example").await.unwrap();
    assert_eq!(code(add("a", "https://b.example").await), "platform.key_reused");
    for n in 1..10 {
        add(&format!("key{n}"), "https://a.example").await.unwrap();
    }
    assert_eq!(code(add("more", "https://a.example").await), "accounts.too_many_webhooks");
    // Somebody else's is as good as none.
    assert_eq!(
        code(world.accounts.remove_webhook(bob, made.webhook.id).await),
        "accounts.webhook_unknown"
    );
    assert_eq!(
        code(world.accounts.test_webhook(bob, made.webhook.id).await),
        "accounts.webhook_unknown"
    );
    world.accounts.remove_webhook(ada, made.webhook.id).await.unwrap();
    assert_eq!(world.accounts.notices(ada).await.unwrap().webhooks.len(), 9);
}
