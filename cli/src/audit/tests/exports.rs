//! Exports from a server that grows, breaks off, forgets, rewrites and changes its key.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use indicatif::ProgressBar;
use medusa_api::{
    AccountPage, AccountState, AccountSummary, AuditHead, CheckpointPage, CheckpointSummary,
    ConsistencyProof, Currency, Problem, TrialBalance, TrialLine,
};
use medusa_client::Client;
use medusa_events::Envelope;
use medusa_ledger::{Account, Class};
use medusa_tlog::{Signer, Tile, TileId, TilePlan, TileSet};
use medusa_types::{Sha256Hash, Timestamp};
use serde::Serialize;

use super::log::{Log, Scratch, events, signer};
use crate::audit::export::export;
use crate::audit::folder::{CHECKPOINT, EARLIER, FILE_BYTES_MAX, KEY};
use crate::audit::verify::{Trusted, verify};
use crate::exit::{Exit, report};
use crate::output::Out;

/// What the server has.
struct State {
    events: Vec<Envelope>,
    signer: Signer,
    /// Sizes that were signed, smallest first.
    signed: Vec<usize>,
    /// A file that it does not give out.
    broken: Option<String>,
    asked: Vec<String>,
}

impl State {
    fn log(&self, size: usize) -> Log {
        Log::of(&self.events[..size])
    }

    fn answer(&self, path: &str, query: &BTreeMap<String, String>) -> Option<Vec<u8>> {
        let all = self.events.len();
        let number = |name: &str| query.get(name)?.parse::<usize>().ok();
        let tile = path.strip_prefix("/log/").filter(|name| name.starts_with("tile/"));
        if let Some(name) = tile {
            let tiles = self.signed.iter().rev().flat_map(|size| self.log(*size).tiles(*size));
            let mut found = tiles.filter(|(found, _)| found == name);
            return found.next().filter(|_| self.broken.as_deref() != Some(name)).map(|t| t.1);
        }
        Some(match path {
            "/log/checkpoint" => self.log(all).checkpoint(&self.signer, all).into_bytes(),
            "/v1/audit/head" => json(&AuditHead {
                size: i64::try_from(all).unwrap(),
                root: Sha256Hash(self.log(all).head(all).root),
                checkpoint: self.log(all).checkpoint(&self.signer, all),
                verifier_key: self.signer.verifier().to_string(),
            }),
            "/v1/audit/consistency" => json(&self.consistency(number("from")?, number("to")?)),
            "/v1/admin/trial-balance" => json(&self.trial_balance(number("position")?)),
            "/v1/admin/accounts" => json(&self.accounts(number("after").unwrap_or_default())),
            "/v1/admin/checkpoints" => json(&self.checkpoints()),
            _ => return None,
        })
    }

    fn consistency(&self, from: usize, to: usize) -> ConsistencyProof {
        let log = self.log(to);
        let tiles: TileSet = log
            .tiles(to)
            .into_iter()
            .filter_map(|(name, bytes)| Tile::decode(name.parse::<TileId>().ok()?, &bytes).ok())
            .collect();
        let [old, new] = [from, to].map(|size| u64::try_from(size).unwrap());
        let path = TilePlan::consistency(old, new).unwrap().read(&tiles).unwrap();
        ConsistencyProof {
            from: i64::try_from(from).unwrap(),
            from_root: Sha256Hash(log.head(from).root),
            to: i64::try_from(to).unwrap(),
            to_root: Sha256Hash(log.head(to).root),
            path: path.into_iter().map(Sha256Hash).collect(),
        }
    }

    fn trial_balance(&self, position: usize) -> TrialBalance {
        let line = |claim: &crate::audit::folder::ClassClaim| {
            let class = Class::of_name(&claim.class).unwrap();
            TrialLine {
                code: class.code(),
                class: claim.class.clone(),
                currency: Currency::Crd,
                accounts: 1,
                balance: class.currency().show(claim.balance),
            }
        };
        let lines = self.log(position).balances.classes.iter().map(line).collect();
        let position = i64::try_from(position).unwrap();
        TrialBalance { lines, sums: Vec::new(), position, at: None }
    }

    /// Two on a page.
    fn accounts(&self, after: usize) -> AccountPage {
        let balances = self.log(self.events.len()).balances;
        let item = |claim: &crate::audit::folder::AccountClaim| {
            let account: Account = claim.account.parse().unwrap();
            let show = |amount| account.currency().show(amount);
            AccountSummary {
                account: claim.account.clone(),
                code: account.class().code(),
                class: account.class().name().into(),
                currency: Currency::Crd,
                balance: show(claim.balance),
                debits_pending: show(claim.debits_pending),
                credits_pending: show(claim.credits_pending),
                state: AccountState::Open,
                lines: 1,
                position: claim.as_of,
            }
        };
        let items: Vec<_> = balances.accounts[after..].iter().take(2).map(item).collect();
        let more = after + items.len() < balances.accounts.len();
        let next = more.then(|| (after + items.len()).to_string());
        AccountPage { items, next, position: balances.position }
    }

    fn checkpoints(&self) -> CheckpointPage {
        let item = |size: &usize| CheckpointSummary {
            size: i64::try_from(*size).unwrap(),
            root: Sha256Hash(self.log(*size).head(*size).root),
            at: Timestamp::from_micros(0),
            cosigned: Vec::new(),
            note: self.log(*size).checkpoint(&self.signer, *size),
        };
        let items = self.signed.iter().rev().map(item).collect();
        CheckpointPage { items, witnesses: Vec::new(), next: None }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

/// The server, and a folder to export into.
struct House {
    state: Arc<Mutex<State>>,
    client: Client,
    scratch: Scratch,
}

impl House {
    fn new(size: i64) -> Self {
        let state = State {
            events: events(size),
            signer: signer(),
            signed: vec![1, usize::try_from(size).unwrap()],
            broken: None,
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                serve(socket.unwrap(), &shared);
            }
        });
        let client = Client::new(&url, Some("token".into())).unwrap();
        Self { state, client, scratch: Scratch::new() }
    }

    /// The exit status of an export, and how many events it has.
    async fn export(&self) -> Result<u64, Exit> {
        self.state.lock().unwrap().asked.clear();
        let exported = export(&self.client, Out::silent(), &self.scratch.0).await;
        exported.map_err(|error| report(&error, Out::silent()))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn read(&self, name: &str) -> String {
        self.scratch.folder().read_text(name, FILE_BYTES_MAX).unwrap()
    }

    fn is_right(&self) {
        let found = verify(&self.scratch.folder(), &Trusted::default(), &ProgressBar::hidden());
        assert_eq!(found.unwrap().bad, None);
    }
}

fn serve(mut socket: TcpStream, state: &Mutex<State>) {
    let mut head = String::new();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    while reader.read_line(&mut head).unwrap() > 2 {}
    let target = head.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut state = state.lock().unwrap();
    state.asked.push(path.to_owned());
    let (status, body) = match state.answer(path, &query) {
        Some(body) => (200, body),
        None => (404, json(&Problem::new(404, "platform.not_found", "not found", path))),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(&[head.as_bytes(), &body].concat()).unwrap();
}

#[tokio::test]
async fn a_grown_log_costs_only_what_is_new() {
    let house = House::new(300);
    assert_eq!(house.export().await, Ok(300));
    house.is_right();
    assert_eq!(house.read(EARLIER).lines().count(), 1);
    house.change(|state| {
        state.events = events(600);
        state.signed.extend([400, 600]);
    });
    assert_eq!(house.export().await, Ok(600));
    house.is_right();
    let asked = house.state.lock().unwrap().asked.clone();
    let tiles: Vec<_> = asked.iter().filter(|path| path.starts_with("/log/tile")).collect();
    assert_eq!(tiles.len(), 5, "the first full tile and its bundle were there: {tiles:?}");
    assert!(!house.scratch.folder().has("tile/0/001.p/44"), "what it grew out of is gone");
    let sizes: Vec<_> = house.read(EARLIER).lines().map(size_of).collect();
    assert_eq!(sizes, ["1", "300", "400"]);
    assert_eq!(house.export().await, Ok(600), "once more, with nothing new");
    house.is_right();
}

/// The second line of a checkpoint in JSON.
fn size_of(line: &str) -> String {
    let note: String = serde_json::from_str(line).unwrap();
    note.lines().nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn what_broke_off_is_no_export_and_goes_on_later() {
    let house = House::new(600);
    house.change(|state| state.broken = Some("tile/entries/001".into()));
    assert_eq!(house.export().await, Err(Exit::NotFound));
    let found = verify(&house.scratch.folder(), &Trusted::default(), &ProgressBar::hidden());
    assert!(found.is_err(), "it is not finished");
    house.change(|state| {
        state.broken = None;
        state.events = events(610);
        state.signed.push(610);
    });
    assert_eq!(house.export().await, Ok(610));
    house.is_right();
}

#[tokio::test]
async fn a_server_whose_log_does_not_go_on_from_the_exported_one_is_refused() {
    let house = House::new(300);
    assert_eq!(house.export().await, Ok(300));
    let kept = house.read(CHECKPOINT);
    house.change(|state| {
        state.events = events(310);
        state.events[7].at = Timestamp::from_micros(1_007);
        state.signed.push(310);
    });
    assert_eq!(house.export().await, Err(Exit::Unverified));
    house.change(|state| state.events = events(290));
    assert_eq!(house.export().await, Err(Exit::Unverified), "it was cut");
    house.change(|state| {
        state.events = events(310);
        state.signer = Signer::new("medusa.test/log", &[8; 32]);
    });
    assert_eq!(house.export().await, Err(Exit::Unverified), "another key");
    assert_eq!(house.read(CHECKPOINT), kept, "the evidence is there");
    house.change(|state| state.signer = signer());
    assert_eq!(house.export().await, Ok(310), "the honest log goes on");
    house.is_right();
    assert_eq!(house.read(KEY), format!("{}\n", signer().verifier()));
}
