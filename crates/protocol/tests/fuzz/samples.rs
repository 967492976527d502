//! Frames of every kind, written by hand from the tables of `docs/protocol.md` and not by the crate
//! that reads them, so that both cannot be wrong alike.

use minicbor::Encoder;

type Body = Encoder<Vec<u8>>;

fn body(write: impl FnOnce(&mut Body)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder);
    encoder.into_writer()
}

fn text(e: &mut Body, key: u8, value: &str) {
    e.u8(key).unwrap().str(value).unwrap();
}

fn number(e: &mut Body, key: u8, value: u64) {
    e.u8(key).unwrap().u64(value).unwrap();
}

fn texts(e: &mut Body, key: u8, values: &[&str]) {
    e.u8(key).unwrap().encode(values).unwrap();
}

fn blob(e: &mut Body) {
    e.map(3).unwrap();
    e.u8(0).unwrap().bytes(&[7; 32]).unwrap();
    number(e, 1, 70_000);
    text(e, 2, "/v1/agent/blobs/x?until=1&sig=y");
}

/// An inline part, a range, or a range behind a header.
fn part(e: &mut Body, kind: u8) {
    e.array(2).unwrap().u8(kind).unwrap();
    match kind {
        0 => {
            e.array(1).unwrap().u64(9).unwrap();
        }
        1 => {
            e.array(3).unwrap();
            blob(e);
            e.u64(5).unwrap().u64(600).unwrap();
        }
        _ => {
            e.array(4).unwrap().u64(3).unwrap();
            blob(e);
            e.u64(5).unwrap().u64(600).unwrap();
        }
    }
}

fn hello(newer: bool) -> Vec<u8> {
    body(|e| {
        e.map(if newer { 11 } else { 7 }).unwrap();
        text(e, 0, "medusa-agent 1.2.3");
        text(e, 1, "wt48-1");
        number(e, 2, 8);
        number(e, 3, 4 << 30);
        text(e, 4, "x86_64");
        text(e, 5, "linux");
        e.u8(6).unwrap().bool(false).unwrap();
        if newer {
            texts(e, 7, &["settings", "yield"]);
            text(e, 8, "wasmtime 48");
            e.u8(9).unwrap().map(2).unwrap();
            number(e, 0, 2_000_000_000);
            number(e, 1, 15_000_000_000);
            e.u8(10).unwrap().array(1).unwrap().bytes(&[3; 32]).unwrap();
        }
    })
}

fn lease(newer: bool) -> Vec<u8> {
    body(|e| {
        e.map(if newer { 17 } else { 14 }).unwrap();
        text(e, 0, "lse_1");
        text(e, 1, "job_1");
        text(e, 2, "Cell picture");
        number(e, 3, 4);
        number(e, 4, 36);
        e.u8(5).unwrap();
        blob(e);
        texts(e, 6, &["--threshold", "6"]);
        number(e, 7, u64::MAX);
        number(e, 8, 1_700_000_000_000);
        e.u8(9).unwrap().encode([1_u64, 2, 3, 4, 5]).unwrap();
        if newer {
            e.u8(10).unwrap();
            part(e, 2);
        }
        e.u8(11).unwrap().array(2).unwrap();
        for kind in [0, 1] {
            e.map(2).unwrap();
            text(e, 0, "in/tile.pgm");
            e.u8(1).unwrap();
            part(e, kind);
        }
        e.u8(12).unwrap().bool(true).unwrap();
        number(e, 13, 120_000);
        text(e, 14, "/v1/agent/uploads/lse_1?sig=z");
        if newer {
            e.u8(15).unwrap().encode([("NAME", "value")]).unwrap();
            number(e, 16, 3_000_000_000);
        }
    })
}

fn report(newer: bool) -> Vec<u8> {
    body(|e| {
        e.map(if newer { 9 } else { 8 }).unwrap();
        text(e, 0, "lse_1");
        // Exit status 3, or done.
        e.u8(1).unwrap().array(2).unwrap();
        if newer {
            e.u8(1).unwrap().array(1).unwrap().i32(3).unwrap();
        } else {
            e.u8(0).unwrap().array(0).unwrap();
        }
        number(e, 2, 12_957_577);
        e.u8(3).unwrap().bytes(&[1; 32]).unwrap();
        number(e, 4, 11);
        e.u8(5).unwrap().bool(false).unwrap();
        text(e, 6, "last words");
        number(e, 7, 250);
        if newer {
            e.u8(8).unwrap().bytes(&[5; 64]).unwrap();
        }
    })
}

fn pulse(newer: bool) -> Vec<u8> {
    body(|e| {
        e.map(if newer { 7 } else { 2 }).unwrap();
        e.u8(0).unwrap().bool(newer).unwrap();
        texts(e, 1, &["lse_1", "lse_2"]);
        if newer {
            number(e, 2, 2);
            text(e, 3, "battery");
            e.u8(4).unwrap().encode([1_u8, 3]).unwrap();
            e.u8(5).unwrap().array(1).unwrap().bytes(&[3; 32]).unwrap();
            number(e, 6, 1 << 30);
        }
    })
}

/// Frames of every kind: kind, body, payload. The first of two is of the first version.
pub(crate) fn samples() -> Vec<(u8, Vec<u8>, Vec<u8>)> {
    let welcome = |newer: bool| {
        body(|e| {
            e.map(if newer { 4 } else { 3 }).unwrap();
            text(e, 0, "agt_1");
            text(e, 1, "desk");
            number(e, 2, 15_000);
            if newer {
                texts(e, 3, &["settings"]);
            }
        })
    };
    let of_lease = body(|e| {
        e.map(1).unwrap();
        text(e, 0, "lse_1");
    });
    let settings = |full: bool| {
        body(|e| {
            e.map(if full { 6 } else { 1 }).unwrap();
            e.u8(0).unwrap().bool(true).unwrap();
            if full {
                number(e, 1, 4);
                number(e, 2, 1 << 30);
                text(e, 3, "paused from the website");
                text(e, 4, "attic");
                e.u8(5).unwrap().array(1).unwrap().map(2).unwrap().u8(0).unwrap();
                blob(e);
                e.u8(1).unwrap().bool(false).unwrap();
            }
        })
    };
    vec![
        (1, hello(false), Vec::new()),
        (1, hello(true), Vec::new()),
        (2, welcome(false), Vec::new()),
        (2, welcome(true), Vec::new()),
        (3, lease(false), b"123456789".to_vec()),
        (3, lease(true), b"123123456789".to_vec()),
        (4, of_lease.clone(), Vec::new()),
        (5, report(false), b"an output..".to_vec()),
        (5, report(true), Vec::new()),
        (6, pulse(false), Vec::new()),
        (6, pulse(true), Vec::new()),
        (7, settings(false), Vec::new()),
        (7, settings(true), Vec::new()),
        (8, of_lease, Vec::new()),
    ]
}

pub(crate) fn bytes_of(kind: u8, body: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[1, kind, 0, 0][..], &length, &[0; 8], body, payload].concat()
}

pub(crate) fn frames() -> Vec<Vec<u8>> {
    samples().iter().map(|(kind, body, payload)| bytes_of(*kind, body, payload)).collect()
}
