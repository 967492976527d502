//! The worker process: answers its parent's requests one by one, and ends when its input does.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::program::Program;
use crate::task::{Reply, Request, frame, message};
use crate::{engine, meter, walls};

/// Serves the parent over standard input and output until the input ends. This is all that a
/// worker process does; call it first thing, before anything else reads or prints.
#[must_use]
pub fn worker_main() -> ExitCode {
    walls::raise();
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent is gone, or no parent of ours.
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut program = None;
    while let Some(content) = read_frame(input)? {
        let reply = match message(&content) {
            Ok(request) => {
                drop(content);
                answer(&mut program, request).unwrap_or_else(Reply::Failed)
            }
            Err(error) => Reply::Failed(format!("the request cannot be read: {error}")),
        };
        let bytes = frame(&reply).map_err(io::Error::other)?;
        drop(reply);
        output.write_all(&bytes)?;
        output.flush()?;
    }
    Ok(())
}

fn answer(program: &mut Option<Program>, request: Request) -> Result<Reply, String> {
    let in_words = |error: wasmtime::Error| format!("{error:#}");
    match request {
        Request::Fingerprint(strict) => {
            let fingerprint = engine::fingerprint(strict).map_err(in_words)?;
            Ok(Reply::Text(fingerprint.to_string()))
        }
        Request::Compile(strict, wasm) => {
            walls::raise_for_compiling();
            walls::close_doors();
            let metered = meter::rewrite(&wasm).map_err(|error| error.to_string())?;
            drop(wasm);
            let engine = engine::engine(strict).map_err(in_words)?;
            engine.precompile_module(&metered).map(Reply::Compiled).map_err(in_words)
        }
        Request::Load(strict, path) => {
            *program = Some(Program::load(strict, Path::new(&path)).map_err(in_words)?);
            walls::close_doors();
            Ok(Reply::Text(String::new()))
        }
        Request::Run(task) => {
            let program = program.as_ref().ok_or("no program was loaded")?;
            walls::limit_cpu(task.limits.wall_ms);
            program.run(task).map(Reply::Report)
        }
    }
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
