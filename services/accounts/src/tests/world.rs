//! One service for one test, over a database of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use medusa_api::{Login, SignUp};
use medusa_eventlog::{EventLog, LogConfig, read_stream};
use medusa_platform::auth::BoxFuture;
use medusa_platform::{ApiError, Clock, Principal, Random, Via};
use medusa_testkit::TestDb;
use medusa_types::{Timestamp, UserId};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Accounts, AccountsConfig, AccountsError, AccountsLimits, Welcome};

pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Remembers whom it welcomed; fails when it is told to.
#[derive(Default)]
pub(super) struct Greeter {
    pub(super) greeted: Mutex<Vec<UserId>>,
    pub(super) fails: AtomicBool,
}

impl Welcome for Greeter {
    fn grant(&self, user: UserId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            if self.fails.load(Ordering::SeqCst) {
                return Err(ApiError::busy(1));
            }
            self.greeted.lock().unwrap().push(user);
            Ok(())
        })
    }
}

pub(super) struct World {
    pub(super) accounts: Accounts,
    pub(super) db: TestDb,
    pub(super) greeter: Arc<Greeter>,
    pub(super) log: EventLog,
    pub(super) stop: CancellationToken,
    hand: Arc<AtomicI64>,
    _end: DropGuard,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with_mail(crate::MailConfig::Off).await
    }

    pub(super) async fn with_mail(mail: crate::MailConfig) -> Self {
        let db = TestDb::new().await.unwrap();
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        let (clock, hand) = Clock::manual(start);
        let stop = CancellationToken::new();
        let config = LogConfig { pool: db.pool.clone(), clock: clock.clone() };
        let log: EventLog = medusa_eventlog::start(config, stop.clone()).await.unwrap();
        let greeter = Arc::new(Greeter::default());
        let config = AccountsConfig {
            issuer: "https://medusa.test".into(),
            public_url: "https://medusa.test/".into(),
            jwt_key: [5; 32],
            mail,
            mail_from: "Medusa <no-reply@medusa.test>".into(),
            private_targets: true,
            limits: AccountsLimits::default(),
        };
        let welcome: Arc<dyn Welcome> = Arc::<Greeter>::clone(&greeter);
        let random = Random::system();
        let accounts =
            Accounts::new(config, db.pool.clone(), log.clone(), clock, random, welcome).unwrap();
        Self { accounts, db, greeter, log, hand, stop: stop.clone(), _end: stop.drop_guard() }
    }

    /// Lets time pass.
    pub(super) fn wait(&self, seconds: i64) {
        self.hand.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub(super) async fn person(&self, email: &str) -> UserId {
        self.accounts.sign_up(form(email)).await.unwrap()
    }

    pub(super) async fn principal(&self, email: &str) -> Principal {
        let user = self.person(email).await;
        Principal { user, roles: self.accounts.roles(user).await.unwrap(), via: Via::Bearer }
    }

    pub(super) async fn login(&self, email: &str, password: &str) -> Result<UserId, AccountsError> {
        let form = Login { email: email.into(), password: password.into() };
        self.accounts.login(form, HOME).await
    }

    /// The types of the events of a stream.
    pub(super) async fn events(&self, stream: &str) -> Vec<&'static str> {
        let events = read_stream(&self.db.pool, stream, 0, 100).await.unwrap();
        events.iter().map(|event| event.envelope.kind()).collect()
    }
}

pub(super) fn form(email: &str) -> SignUp {
    SignUp { email: email.into(), password: PASSWORD.into(), name: "Ada".into() }
}

/// The stable code of a refusal.
pub(super) fn code<T: std::fmt::Debug>(answer: Result<T, AccountsError>) -> String {
    ApiError::from(answer.unwrap_err()).0.code
}
