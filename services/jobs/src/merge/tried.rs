//! The rules of a merge, tried on what sample chunks wrote: mistakes are found before anything is
//! paid. What only many chunks can show, like headers that differ, is found when they are there.

use std::collections::BTreeSet;

use bytes::Bytes;
use medusa_api::{MergeHow, MergeRule};
use medusa_types::Bundle;

use super::error::{Fault, MergeError, Piece, instead};
use super::run::{MERGES, NAMES_MAX, put_together};
use super::stitch;
use crate::split::{ChunkInput, Plan, glance, in_turn};

/// What one chunk, or one run that puts results together, wrote.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// An encoded bundle.
    pub(crate) output: Bytes,
    /// What the chunk was.
    pub(crate) chunk: Option<ChunkInput>,
}

/// Tries the rules on samples. A file may be missing from some of them.
///
/// # Errors
/// [`MergeError::Misfit`] for the first rule that does not fit.
pub(crate) async fn tried(rules: &[MergeRule], samples: Vec<Sample>) -> Result<(), MergeError> {
    let rules = rules.to_vec();
    let all = move || {
        let decoded: Vec<(Bundle, Option<ChunkInput>)> = samples
            .iter()
            .filter_map(|Sample { output, chunk }| {
                Some((Bundle::decode(output).ok()?, chunk.clone()))
            })
            .collect();
        rules.iter().enumerate().try_for_each(|(place, rule)| fits(place, rule, &decoded))
    };
    in_turn(&MERGES, all).await?
}

fn fits(
    place: usize,
    rule: &MergeRule,
    samples: &[(Bundle, Option<ChunkInput>)],
) -> Result<(), MergeError> {
    let misfit = |missing, why: String| MergeError::Misfit {
        rule: place,
        missing,
        said: format!("{} does not fit what the sample chunk wrote: {why}", in_words(rule)),
    };
    let mut found = rule.file.is_empty();
    for (bundle, chunk) in samples {
        let Some(piece) = bundle.get(&rule.file) else { continue };
        found = true;
        try_piece(rule, chunk.as_ref(), piece).map_err(|why| {
            misfit(false, format!("{why}; the sample is {}; {}", glance(piece), remedy(rule.how)))
        })?;
    }
    if found {
        return Ok(());
    }
    let names = samples.iter().flat_map(|(bundle, _)| bundle.iter().map(|(name, _)| name));
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    let names: Vec<String> = names.into_iter().take(NAMES_MAX).map(str::to_owned).collect();
    Err(misfit(
        true,
        format!(
            "no sample chunk wrote /out/{}; {}; a file that is written for some chunks only, \
             write empty for the others",
            rule.file,
            instead(&names)
        ),
    ))
}

/// What the rule says of this piece alone.
fn try_piece(rule: &MergeRule, chunk: Option<&ChunkInput>, piece: &[u8]) -> Result<(), String> {
    if rule.how == MergeHow::Tiles {
        return chunk.map_or(Ok(()), |tile| stitch::fits(tile, piece));
    }
    let mut pieces = std::iter::once(Piece::Ok(Some(piece.to_vec())));
    // No other rule asks what the chunks were.
    let none = Plan::of(Vec::new());
    match put_together(rule, (&none, 1), &mut pieces, &mut std::io::sink()) {
        Ok(()) => Ok(()),
        Err(Fault::Chunk(_, why) | Fault::Whole(why)) => Err(why),
        Err(Fault::Io(error)) => Err(error.to_string()),
    }
}

fn in_words(rule: &MergeRule) -> String {
    let what = match rule.file.as_str() {
        "" => "standard output".to_owned(),
        file => format!("{file:?}"),
    };
    let how = match rule.how {
        MergeHow::Concat => "concat",
        MergeHow::Zip => "zip",
        MergeHow::Csv => "csv",
        MergeHow::Sum => "sum",
        MergeHow::Mean => "mean",
        MergeHow::Json => "json",
        MergeHow::Tiles => "tiles",
    };
    format!("the rule that merges {what} by {how} to {:?}", rule.to)
}

/// What a program must write for a rule, and the rules that take anything.
const fn remedy(how: MergeHow) -> &'static str {
    match how {
        MergeHow::Concat | MergeHow::Zip => "let it write less",
        MergeHow::Csv => {
            "let it write rows of one width under a header, or merge by concat or zip, which take \
             anything"
        }
        MergeHow::Sum | MergeHow::Mean => {
            "let it write rows of a key and numbers, like cells,12, or merge by concat or zip, \
             which take anything"
        }
        MergeHow::Json => {
            "let it write JSON values, or merge by concat or zip, which take anything"
        }
        MergeHow::Tiles => {
            "let it write a PGM or PPM picture exactly as large as the tile's core, or merge by \
             zip, which takes anything"
        }
    }
}
