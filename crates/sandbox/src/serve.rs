//! The worker process: answers its parent's requests one by one, and ends when its input does.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::frames::{Area, Head, What};
use crate::pipes::{self, Input, Stdout};
use crate::program::Program;
use crate::task::{Reply, Request, Task, frame, message};
use crate::wasi::Stream;
use crate::{engine, meter, walls};

/// Serves the parent over standard input and output until the input ends. This is all that a
/// worker process does; call it first thing, before anything else reads or prints.
#[must_use]
pub fn worker_main() -> ExitCode {
    walls::raise();
    match serve(pipes::input()) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent is gone, or no parent of ours.
        Err(_) => ExitCode::FAILURE,
    }
}

/// What a worker has loaded.
#[derive(Default)]
struct Loaded {
    program: Option<Program>,
    area: Option<Area>,
}

fn serve(mut input: Input) -> io::Result<()> {
    let mut loaded = Loaded::default();
    while let Some(content) = read_frame(&mut input)? {
        let request = message(&content);
        drop(content);
        let reply = match request {
            Ok(Request::Open(task)) => return live(loaded, task, input),
            Ok(request) => answer(&mut loaded, request).unwrap_or_else(Reply::Failed),
            Err(error) => Reply::Failed(format!("the request cannot be read: {error}")),
        };
        let bytes = frame(&reply).map_err(io::Error::other)?;
        drop(reply);
        Stdout.write_all(&bytes)?;
    }
    Ok(())
}

fn answer(loaded: &mut Loaded, request: Request) -> Result<Reply, String> {
    let in_words = |error: wasmtime::Error| format!("{error:#}");
    match request {
        Request::Fingerprint(strict) => {
            let fingerprint = engine::fingerprint(strict).map_err(in_words)?;
            Ok(Reply::Text(fingerprint.to_string()))
        }
        Request::Compile(strict, wasm, memory_bytes) => {
            walls::raise_for_compiling(memory_bytes);
            walls::close_doors(false);
            let metered = meter::rewrite(&wasm).map_err(|error| error.to_string())?;
            drop(wasm);
            let engine = engine::engine(strict).map_err(in_words)?;
            engine.precompile_module(&metered).map(Reply::Compiled).map_err(in_words)
        }
        Request::Load(strict, path, area) => {
            loaded.program = Some(Program::load(strict, Path::new(&path)).map_err(in_words)?);
            // Without it, frames go through the pipes.
            loaded.area = area.and_then(|path| Area::open(&path).ok());
            let shares = loaded.area.is_some();
            Ok(Reply::Loaded(walls::close_doors(shares), shares))
        }
        Request::Walls => Ok(Reply::Loaded(walls::close_doors(false), false)),
        Request::Run(task) => {
            let program = loaded.program.as_ref().ok_or("no program was loaded")?;
            walls::limit_cpu(task.limits.wall_ms);
            program.run(task).map(Reply::Report)
        }
        Request::Open(_) => Err("a live guest has the pipes for itself".into()),
    }
}

/// Runs the loaded program as a live guest, and ends with it.
fn live(loaded: Loaded, task: Task, input: Input) -> io::Result<()> {
    let Loaded { program: Some(program), area } = loaded else {
        return end(&Reply::Failed("no program was loaded".into()), None);
    };
    walls::limit_cpu(task.limits.wall_ms);
    let stream = Stream::new(input, area, task.limits.output_bytes);
    match program.run_with(task, Some(stream)) {
        Ok((report, stream)) => end(&Reply::Report(report), stream.as_ref()),
        Err(why) => end(&Reply::Failed(why), None),
    }
}

/// Tells the parent how a live guest ended.
fn end(reply: &Reply, stream: Option<&Stream>) -> io::Result<()> {
    let bytes = frame(reply).map_err(io::Error::other)?;
    let (_, content) = bytes.split_at_checked(4).unwrap_or_default();
    let head = Head {
        what: What::End { unfinished: stream.is_some_and(Stream::is_unfinished) },
        bytes: u32::try_from(content.len()).map_err(io::Error::other)?,
        fuel: 0,
        taken: stream.map_or(0, Stream::taken),
    };
    Stdout.write_all(&head.encode())?;
    Stdout.write_all(content)
}

/// The next frame, or nothing when the input ended between two.
fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match input.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u32::from_le_bytes(head);
    let mut content = Vec::new();
    let read = input.take(u64::from(length)).read_to_end(&mut content)?;
    if u32::try_from(read) == Ok(length) {
        Ok(Some(content))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
