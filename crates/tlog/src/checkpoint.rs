//! The text of a checkpoint (C2SP tlog-checkpoint): origin, size and root, each on a line.

use crate::note::NoteError;
use crate::text::{encode_base64, parse_decimal, parse_hash};
use crate::tree::{Hash, TreeHead};

/// Size and root of a log's tree at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Further lines of the log, which signatures cover and nobody else vouches for. Ours has none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    #[must_use]
    pub fn new(origin: impl Into<String>, head: TreeHead) -> Self {
        let TreeHead { size, root } = head;
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Size and root together.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }

    /// What is signed: each line with a line feed behind it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, encode_base64(&self.root));
        self.extensions.iter().for_each(|line| text.extend([line, "\n"]));
        text
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`NoteError::Syntax`] when it is not three or more lines of this form.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        Self::read(text).ok_or(NoteError::Syntax)
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty())?.to_owned();
        let size = parse_decimal(lines.next()?)?;
        let root = parse_hash(lines.next()?)?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        let whole = extensions.iter().all(|line| !line.is_empty());
        whole.then_some(Self { origin, size, root, extensions })
    }
}
