//! A small TCP proxy that stands between two programs and behaves as bad networks do.
//!
//! It never changes a byte and never their order within a connection. Each direction may be late,
//! slow, cut after so many bytes, or silent: nothing is read from it and nothing said about that,
//! as when a cable was pulled. Whole connections may be held while later ones run, be reset, or be
//! refused. It ends, with all its connections, when it is dropped.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// Bytes that are passed on at once.
const PIECE_BYTES: usize = 4 * 1024;
/// Pieces that are on their way in one direction; more wait with the sender.
const PIECES_MAX: usize = 256;

/// What one direction does to the bytes in it. The usual one passes them on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// So much later than they were sent.
    pub delay: Duration,
    /// At most so many in a second.
    pub bytes_per_second: Option<u32>,
    /// After so many of a connection it ends.
    pub cut_after: Option<usize>,
    /// Nothing is read.
    pub is_silent: bool,
}

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As if the other side had closed it.
    Close,
    /// With a reset: what was on its way is lost.
    Reset,
}

/// The directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From whoever connected to the one behind the proxy.
    Up,
    /// Back.
    Down,
}

/// A running proxy.
pub struct Proxy {
    addr: SocketAddr,
    weather: watch::Sender<Weather>,
    opened: Arc<AtomicUsize>,
    passed: Arc<Passed>,
    _tasks: JoinSet<()>,
}

/// Bytes that went through each direction.
#[derive(Debug, Default)]
struct Passed {
    up: AtomicU64,
    down: AtomicU64,
}

impl Passed {
    fn of(&self, side: Side) -> &AtomicU64 {
        match side {
            Side::Up => &self.up,
            Side::Down => &self.down,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Weather {
    up: Way,
    down: Way,
    refuses: bool,
    /// Whether the next connection is held from its beginning.
    holds_next: bool,
    /// Connections that stand still, by their number.
    held: BTreeSet<usize>,
    /// Connections before this number have ended, as it says.
    ended: Option<(usize, End)>,
}

impl Proxy {
    /// Passes connections on to this address.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for a proxy")?;
        let addr = listener.local_addr().context("the proxy has no address")?;
        let weather = watch::Sender::new(Weather::default());
        let opened = Arc::new(AtomicUsize::new(0));
        let passed = Arc::new(Passed::default());
        let counts = (Arc::clone(&opened), Arc::clone(&passed));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, weather.clone(), counts));
        Ok(Self { addr, weather, opened, passed, _tasks: tasks })
    }

    /// Its address, as the beginning of an URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many connections came, refused ones among them.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// How many bytes went through in this direction, in all connections.
    #[must_use]
    pub fn passed(&self, side: Side) -> u64 {
        self.passed.of(side).load(Ordering::SeqCst)
    }

    /// From now on this direction is so, in all connections.
    pub fn set(&self, side: Side, way: Way) {
        self.weather.send_modify(|weather| match side {
            Side::Up => weather.up = way,
            Side::Down => weather.down = way,
        });
    }

    /// Both directions are so.
    pub fn set_both(&self, way: Way) {
        self.set(Side::Up, way);
        self.set(Side::Down, way);
    }

    /// Whether new connections are reset at once.
    pub fn refuse(&self, refuses: bool) {
        self.weather.send_modify(|weather| weather.refuses = refuses);
    }

    /// Ends the connections that there are.
    pub fn end(&self, how: End) {
        let first = self.opened();
        self.weather.send_modify(|weather| weather.ended = Some((first, how)));
    }

    /// The next connection stands still from its beginning, and later ones do not.
    pub fn hold_next(&self) {
        self.weather.send_modify(|weather| weather.holds_next = true);
    }

    /// The connections that there are stand still, and later ones do not.
    pub fn hold(&self) {
        let numbers = 0..self.opened();
        self.weather.send_modify(|weather| weather.held.extend(numbers));
    }

    /// What was held goes on.
    pub fn release(&self) {
        self.weather.send_modify(|weather| {
            weather.held.clear();
            weather.holds_next = false;
        });
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    weather: watch::Sender<Weather>,
    (opened, passed): (Arc<AtomicUsize>, Arc<Passed>),
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = opened.fetch_add(1, Ordering::SeqCst);
        weather.send_if_modified(|weather| {
            let holds = std::mem::take(&mut weather.holds_next);
            holds && weather.held.insert(number)
        });
        let passed = Arc::clone(&passed);
        let sky = Sky { number, weather: weather.subscribe(), passed };
        connections.spawn(async move { drop(connection(stream, target, sky).await) });
        while connections.try_join_next().is_some() {}
    }
}

/// The weather as one connection sees it.
#[derive(Clone)]
struct Sky {
    number: usize,
    weather: watch::Receiver<Weather>,
    passed: Arc<Passed>,
}

impl Sky {
    fn way(&self, side: Side) -> Way {
        let weather = self.weather.borrow();
        match side {
            Side::Up => weather.up,
            Side::Down => weather.down,
        }
    }

    /// Whether bytes of this direction may be read now.
    fn is_open(&self, side: Side) -> bool {
        !self.way(side).is_silent && !self.weather.borrow().held.contains(&self.number)
    }

    /// Waits until they may. A proxy that is being dropped takes whoever waits with it.
    async fn opens(&mut self, side: Side) {
        while !self.is_open(side) && self.weather.changed().await.is_ok() {}
    }

    /// Ends when the connection shall, as it says.
    async fn ended(&mut self) -> End {
        let number = self.number;
        let has_ended = |weather: &Weather| weather.ended.is_some_and(|(first, _)| number < first);
        match self.weather.wait_for(has_ended).await {
            Ok(weather) => weather.ended.map_or(End::Close, |(_, how)| how),
            Err(_dropped) => End::Close,
        }
    }
}

async fn connection(mut client: TcpStream, target: SocketAddr, sky: Sky) -> Result<()> {
    if sky.weather.borrow().refuses {
        return Ok(client.set_zero_linger()?);
    }
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (of_client, to_client) = client.split();
    let (of_server, to_server) = server.split();
    let both = async {
        let up = direction(of_client, to_server, Side::Up, sky.clone());
        let down = direction(of_server, to_client, Side::Down, sky.clone());
        tokio::try_join!(up, down)
    };
    let mut watched = sky.clone();
    let how = tokio::select! {
        passed = both => return passed.map(drop),
        how = watched.ended() => how,
    };
    if how == End::Reset {
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

/// Passes one direction on until its end. An error ends both.
async fn direction(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    side: Side,
    mut sky: Sky,
) -> Result<()> {
    let (pieces, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let way = sky.clone();
    let read = async move {
        loop {
            sky.opens(side).await;
            from.readable().await?;
            // The weather may have changed during the wait.
            if !sky.is_open(side) {
                continue;
            }
            let mut piece = vec![0; PIECE_BYTES];
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return anyhow::Ok(());
            }
            piece.truncate(length);
            pieces.send((Instant::now() + sky.way(side).delay, piece)).await?;
        }
    };
    let write = async {
        let mut passed = 0_usize;
        while let Some((at, mut piece)) = due.recv().await {
            sleep_until(at).await;
            let count = way.passed.of(side);
            let way = way.way(side);
            let room = way.cut_after.map_or(usize::MAX, |most| most.saturating_sub(passed));
            let is_cut = piece.len() >= room;
            piece.truncate(room);
            to.write_all(&piece).await?;
            passed = passed.saturating_add(piece.len());
            count.fetch_add(u64::try_from(piece.len())?, Ordering::SeqCst);
            anyhow::ensure!(!is_cut, "cut after {passed} bytes");
            if let Some(rate) = way.bytes_per_second {
                sleep(time_of(piece.len(), rate)).await;
            }
        }
        Ok(to.shutdown().await?)
    };
    tokio::try_join!(read, write).map(drop)
}

/// How long so many bytes take.
fn time_of(bytes: usize, rate: u32) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(bytes).checked_div(rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it hears.
    async fn echo() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    drop(tokio::io::copy(&mut from, &mut to).await);
                });
            }
        });
        (addr, tasks)
    }

    async fn dial(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.addr).await.unwrap()
    }

    /// Sends some bytes; how many come back before the end, and how it ended.
    async fn exchange(stream: &mut TcpStream, bytes: usize) -> (usize, std::io::Result<()>) {
        let (mut from, mut to) = stream.split();
        let write = async {
            drop(to.write_all(&vec![7; bytes]).await);
            drop(to.shutdown().await);
        };
        let read = async {
            let (mut got, mut piece) = (0, [0; 1_000]);
            loop {
                match from.read(&mut piece).await {
                    Ok(0) => return (got, Ok(())),
                    Ok(length) => got += length,
                    Err(error) => return (got, Err(error)),
                }
            }
        };
        tokio::join!(write, read).1
    }

    #[tokio::test]
    async fn bytes_and_ends_pass_through() {
        let (addr, _echo) = echo().await;
        let proxy = Proxy::start(addr).await.unwrap();
        let (got, ended) = exchange(&mut dial(&proxy).await, 100_000).await;
        assert!(ended.is_ok());
        assert_eq!((got, proxy.opened()), (100_000, 1));
        assert_eq!((proxy.passed(Side::Up), proxy.passed(Side::Down)), (100_000, 100_000));
    }

    #[tokio::test]
    async fn a_delay_is_no_limit_of_speed() {
        let (addr, _echo) = echo().await;
        let proxy = Proxy::start(addr).await.unwrap();
        proxy.set_both(Way { delay: Duration::from_millis(150), ..Way::default() });
        let began = Instant::now();
        let (got, _) = exchange(&mut dial(&proxy).await, 400_000).await;
        let took = began.elapsed();
        assert_eq!(got, 400_000);
        assert!(took >= Duration::from_millis(300), "{took:?}");
        // One piece after the other would take half a minute.
        assert!(took < Duration::from_secs(8), "{took:?}");
    }

    #[tokio::test]
    async fn a_rate_holds() {
        let (addr, _echo) = echo().await;
        let proxy = Proxy::start(addr).await.unwrap();
        proxy.set(Side::Up, Way { bytes_per_second: Some(100_000), ..Way::default() });
        let began = Instant::now();
        assert_eq!(exchange(&mut dial(&proxy).await, 50_000).await.0, 50_000);
        assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_cut_comes_after_exactly_so_many_bytes() {
        let (addr, _echo) = echo().await;
        let proxy = Proxy::start(addr).await.unwrap();
        for most in [0, 1, 4_096, 10_001] {
            proxy.set(Side::Down, Way { cut_after: Some(most), ..Way::default() });
            assert_eq!(exchange(&mut dial(&proxy).await, 20_000).await.0, most);
        }
    }

    #[tokio::test]
    async fn silence_says_nothing_and_ends() {
        let (addr, _echo) = echo().await;
        let proxy = Proxy::start(addr).await.unwrap();
        let mut stream = dial(&proxy).await;
        proxy.set_both(Way { is_silent: true, ..Way::default() });
        let exchanged = exchange(&mut stream, 10);
        let early = tokio::time::timeout(Duration::from_millis(200), exchanged).await;
        assert!(early.is_err(), "{early:?}");
        proxy.set_both(Way::default());
        let mut back = [0; 10];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [7; 10]);
    }

    #[tokio::test]
    async fn a_reset_is_not_a_close() {
        let (addr, _echo) = echo().await;
        let proxy = Proxy::start(addr).await.unwrap();
        for (how, is_error) in [(End::Close, false), (End::Reset, true)] {
            let mut stream = dial(&proxy).await;
            stream.write_all(b"x").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
            proxy.end(how);
            assert_eq!(stream.read(&mut [0; 9]).await.is_err(), is_error, "{how:?}");
        }
        proxy.refuse(true);
        let refused = match TcpStream::connect(proxy.addr).await {
            Ok(mut stream) => stream.read(&mut [0; 9]).await.is_err(),
            Err(_at_once) => true,
        };
        assert!(refused);
    }

    #[tokio::test]
    async fn a_later_connection_overtakes_a_held_one() {
        let (addr, _echo) = echo().await;
        let proxy = Proxy::start(addr).await.unwrap();
        proxy.hold_next();
        let (mut first, mut second) = (dial(&proxy).await, dial(&proxy).await);
        first.write_all(b"1").await.unwrap();
        second.write_all(b"2").await.unwrap();
        assert_eq!(second.read_u8().await.unwrap(), b'2');
        let early = tokio::time::timeout(Duration::from_millis(100), first.read_u8()).await;
        assert!(early.is_err(), "{early:?}");
        proxy.release();
        assert_eq!(first.read_u8().await.unwrap(), b'1');
        proxy.hold();
        first.write_all(b"3").await.unwrap();
        let mut third = dial(&proxy).await;
        third.write_all(b"4").await.unwrap();
        assert_eq!(third.read_u8().await.unwrap(), b'4');
        let early = tokio::time::timeout(Duration::from_millis(100), first.read_u8()).await;
        assert!(early.is_err(), "{early:?}");
        proxy.release();
        assert_eq!(first.read_u8().await.unwrap(), b'3');
    }
}
