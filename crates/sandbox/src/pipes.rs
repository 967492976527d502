//! A worker's standard input and output as plain pipes: no lock is held while one waits, and what
//! is written leaves at once and whole.

use std::io::{self, BufReader, Read, Write};

use crate::os;

/// Room for what the parent sends at once: a small frame of a live guest with its head.
const READ_BYTES: usize = 32 << 10;

/// Standard input, through a buffer.
pub(crate) type Input = BufReader<Stdin>;

/// Standard input.
#[derive(Debug)]
pub(crate) struct Stdin;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Stdout;

/// This process's input. Only one may be made, because it reads ahead.
pub(crate) fn input() -> Input {
    BufReader::with_capacity(READ_BYTES, Stdin)
}

impl Read for Stdin {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        os::read_input(target)
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        os::write_output(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
