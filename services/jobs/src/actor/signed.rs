//! Signatures of reports: checked on the thread of the connection, and kept beside the attempts, so
//! that whoever has the log can check them again.
//!
//! They are written in batches, so that a result costs no write of its own. Those of the last
//! [`GATHER`] before a crash are lost; the results are not.

use std::time::Duration;

use actix::prelude::*;
use medusa_protocol::{Message as Says, signed_bytes, verify};
use medusa_types::{Fuel, LeaseId, Sha256Hash};
use sqlx::PgPool;

use super::MAILBOX_MAX;
use crate::store;

/// Signatures are gathered for so long before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// Signatures that wait while the database does not answer; more are given up.
const WAITING_MAX: usize = 50_000;

/// A signature, and the key that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) public_key: [u8; 32],
    pub(crate) bytes: [u8; 64],
}

/// What a report's signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// The agent has no key.
    Not,
    /// It is of the agent's key, over what the report says.
    Well(Signature),
    /// It is missing or wrong.
    Badly,
}

impl Signed {
    /// Of this message, of an agent with this key.
    pub(crate) fn of(message: &Says, public_key: Option<[u8; 32]>) -> Self {
        let (Says::Report(report), Some(public_key)) = (message, public_key) else {
            return Self::Not;
        };
        let (Some(bytes), Ok(lease)) = (report.signature, report.lease.parse::<LeaseId>()) else {
            return Self::Badly;
        };
        let output = Sha256Hash(report.output);
        let signed = signed_bytes(lease, report.outcome, Fuel(report.fuel), output);
        if verify(&public_key, &signed, &bytes) {
            Self::Well(Signature { public_key, bytes: *bytes })
        } else {
            Self::Badly
        }
    }
}

/// Keeps signatures.
pub(crate) struct Keeper {
    pool: PgPool,
    waiting: Vec<(LeaseId, Signature)>,
    /// They will be written.
    is_due: bool,
}

/// Keep this one.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Keep(pub(crate) LeaseId, pub(crate) Signature);

impl Keeper {
    pub(crate) const fn new(pool: PgPool) -> Self {
        Self { pool, waiting: Vec::new(), is_due: false }
    }

    fn write_soon(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.is_due, true) {
            ctx.run_later(GATHER, |act, ctx| act.write(ctx));
        }
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        let (pool, batch) = (self.pool.clone(), std::mem::take(&mut self.waiting));
        let write = async move {
            let mut db = pool.acquire().await?;
            store::attempt::sign(&mut db, &batch).await
        };
        ctx.spawn(write.into_actor(self).map(|written, act, ctx| {
            act.is_due = false;
            if let Err(error) = written {
                tracing::warn!(%error, "signatures of results were not kept");
            }
            if !act.waiting.is_empty() {
                act.write_soon(ctx);
            }
        }));
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<Keep> for Keeper {
    type Result = ();

    fn handle(&mut self, Keep(lease, signature): Keep, ctx: &mut Self::Context) {
        if self.waiting.len() >= WAITING_MAX {
            tracing::warn!("too many signatures wait; one was given up");
            return;
        }
        self.waiting.push((lease, signature));
        self.write_soon(ctx);
    }
}
