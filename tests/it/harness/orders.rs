//! Orders with keys that make a repetition harmless, and what people are told of them.
//!
//! There are two kinds. An adjustment moves credits and may be refused: one admin
//! proposes it under the key, another one approves. A program is one event, and its answer is the
//! bare word of the log's writer: nothing is read back.

use std::time::{Duration, Instant};

use medusa_api::{Adjustment, AdjustmentReason, AdjustmentState, NewAdjustment, ProgramUpload};
use medusa_client::{Client, ClientError, operation_id};
use medusa_types::{AdjustmentId, Credits, OperationId, Sha256Hash};

use super::dice::Dice;
use super::house::House;
use super::people::Person;
use super::programs::echo;

/// The most that an adjustment adds or takes, in whole credits: often more than there is.
const CREDITS_MAX: u64 = 60;
/// Who gets no answer within this time does not know.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is wished.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Adjustment { account: String, amount: Credits },
    Program,
}

/// A wish under a key.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) key: OperationId,
    pub(crate) wish: Wish,
}

impl Order {
    /// Of every three orders two adjust one of these accounts.
    pub(crate) fn any(accounts: &[String], dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => Self { key: operation_id(), wish: Wish::Program },
            _ => Self::adjustment(accounts, dice),
        }
    }

    /// Any adjustment of one of these accounts.
    pub(crate) fn adjustment(accounts: &[String], dice: &mut Dice) -> Self {
        let account = dice.below(accounts.len().try_into().unwrap());
        let account = accounts[usize::try_from(account).unwrap()].clone();
        let micros = i64::try_from(dice.below(CREDITS_MAX) + 1).unwrap() * 1_000_000;
        let amount = Credits::from_micros(if dice.below(2) == 0 { micros } else { -micros });
        Self { key: operation_id(), wish: Wish::Adjustment { account, amount } }
    }
}

/// What somebody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the log, at this position.
    Done(i64),
    /// It is not, and will not be.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// One line of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) order: Order,
    /// What the order made, if somebody said so.
    pub(crate) id: Option<String>,
    pub(crate) outcome: Outcome,
    /// When the answer came.
    pub(crate) at: Instant,
}

/// People with their logins: two admins, the author of programs, and those whose balances change.
pub(crate) struct Cast {
    people: [Person; 3],
    tokens: [String; 3],
    module: Sha256Hash,
    /// The accounts of the welcome credits.
    pub(crate) accounts: Vec<String>,
}

impl House {
    /// Two admins, an author, and so many consumers.
    pub(crate) async fn cast(&self, consumers: usize) -> Cast {
        let proposer = self.person_with_role("ada", "admin").await;
        let approver = self.person_with_role("bea", "admin").await;
        let author = self.person("alan").await;
        let module = author.client.upload_bytes(echo().into()).await.unwrap().sha256;
        let mut accounts = Vec::new();
        for n in 0..consumers {
            let person = self.person(&format!("consumer{n}")).await;
            let me = person.client.me().await.unwrap();
            accounts.push(format!("consumer.promo:{}", me.user));
        }
        let people = [proposer, approver, author];
        let tokens = people.each_ref().map(|person| person.token.clone());
        Cast { people, tokens, module, accounts }
    }
}

impl Cast {
    /// Logs everybody in anew: a token does not last for a long run.
    pub(crate) async fn renew(&mut self, house: &House) {
        for (person, token) in self.people.iter().zip(&mut self.tokens) {
            *token = house.tokens(person).await.access_token;
        }
    }

    /// Their way into the server at this address.
    pub(crate) fn desk(&self, url: &str) -> Desk {
        let client = |token: &String| {
            let client = Client::new(url, Some(token.clone())).unwrap();
            client.with_retries(0).with_deadline(DEADLINE)
        };
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(DEADLINE);
        Desk {
            proposer: client(&self.tokens[0]),
            approver: client(&self.tokens[1]),
            http: http.build().unwrap(),
            programs: format!("{url}/v1/programs"),
            author: self.tokens[2].clone(),
            module: self.module,
        }
    }

    /// The approver's token.
    pub(crate) fn approver(&self) -> &str {
        &self.tokens[1]
    }

    /// So many adjustments.
    pub(crate) fn adjustments(&self, count: usize) -> Vec<Order> {
        let mut dice = Dice::of(Dice::any_seed());
        (0..count).map(|_| Order::adjustment(&self.accounts, &mut dice)).collect()
    }
}

/// The cast at one server. They ask once, and wait for a while.
#[derive(Clone)]
pub(crate) struct Desk {
    proposer: Client,
    approver: Client,
    http: reqwest::Client,
    programs: String,
    author: String,
    module: Sha256Hash,
}

impl Desk {
    /// Carries an order out, or finds that it was done before. Nothing when there was nobody to
    /// ask.
    pub(crate) async fn carry_out(&self, order: &Order) -> Option<Entry> {
        let (id, outcome) = match &order.wish {
            Wish::Program => self.add_program(order.key).await?,
            Wish::Adjustment { .. } => self.adjust(order).await?,
        };
        Some(Entry { order: order.clone(), id, outcome, at: Instant::now() })
    }

    async fn adjust(&self, order: &Order) -> Option<(Option<String>, Outcome)> {
        match self.propose(order).await {
            Err(ClientError::Connect { .. }) => None,
            Err(error) => Some((None, refused(&error))),
            Ok(adjustment) => {
                let id = Some(adjustment.id.to_string());
                match done(&adjustment) {
                    Some(done) => Some((id, done)),
                    None => Some((id, self.approve(adjustment.id).await)),
                }
            }
        }
    }

    /// Proposes an adjustment; a repetition answers the same one, as it is by then.
    pub(crate) async fn propose(&self, order: &Order) -> Result<Adjustment, ClientError> {
        let Wish::Adjustment { account, amount } = &order.wish else {
            panic!("{order:?} is no adjustment")
        };
        let new = NewAdjustment {
            account: account.clone(),
            amount: amount.to_string(),
            reason: AdjustmentReason::Test,
            explanation: "an order of a test".into(),
            ticket: "T-1".into(),
        };
        self.proposer.propose_adjustment(&new, order.key).await
    }

    /// Approves a proposed adjustment.
    pub(crate) async fn approve(&self, id: AdjustmentId) -> Outcome {
        match self.approver.approve_adjustment(id, operation_id()).await {
            Ok(adjustment) => done(&adjustment).expect("what is approved has a position"),
            Err(error) => refused(&error),
        }
    }

    async fn add_program(&self, key: OperationId) -> Option<(Option<String>, Outcome)> {
        // Under one name they would all be the same program.
        let name = format!("an order {key}");
        let body = ProgramUpload { sha256: self.module, name, runtime: None };
        let request = self.http.post(&self.programs).bearer_auth(&self.author).json(&body);
        let answer = match request.header("Idempotency-Key", key.to_string()).send().await {
            Err(error) if error.is_connect() => return None,
            Err(_) => return Some((None, Outcome::Unknown)),
            Ok(answer) => answer,
        };
        let status = answer.status().as_u16();
        if status >= 500 {
            return Some((None, Outcome::Unknown));
        }
        let position = answer.headers().get("x-medusa-pos").cloned();
        let Ok(text) = answer.text().await else { return Some((None, Outcome::Unknown)) };
        assert_eq!(status, 201, "a sound order was refused: {text}");
        let position = position.expect("a position").to_str().unwrap().parse().unwrap();
        let program: serde_json::Value = serde_json::from_str(&text).unwrap();
        Some((program["id"].as_str().map(str::to_owned), Outcome::Done(position)))
    }
}

fn done(adjustment: &Adjustment) -> Option<Outcome> {
    let approved = adjustment.state == AdjustmentState::Approved;
    approved.then(|| Outcome::Done(adjustment.position.expect("the position of its event")))
}

/// What an answer that is no success says about an adjustment.
fn refused(error: &ClientError) -> Outcome {
    match (error.status(), error.code()) {
        (Some(402), Some("billing.credits_short")) => Outcome::Refused,
        // It was approved before; asking again tells where.
        (Some(409), Some("billing.adjustment_decided")) => Outcome::Unknown,
        (Some(400..=499), _) => panic!("a sound order was refused: {error}"),
        _ => Outcome::Unknown,
    }
}
