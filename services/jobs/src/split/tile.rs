//! Geometry of tiles and their bytes. Pure.
//!
//! Cores partition the picture, row by row. A tile is its core grown by the overlap on each side
//! and clipped at the picture's border.

use std::fmt;

use super::chunks::Tiles;
use super::plan::{ChunkInput, Picture, text_len};

/// How many tiles a picture has.
pub(super) fn count(picture: &Picture, tiles: Tiles) -> u64 {
    let rows = u64::from(picture.height).div_ceil(u64::from(tiles.height.max(1)));
    columns(picture, tiles).saturating_mul(rows)
}

fn columns(picture: &Picture, tiles: Tiles) -> u64 {
    u64::from(picture.width).div_ceil(u64::from(tiles.width.max(1)))
}

/// One of the tiles of a picture, in reading order.
pub(super) fn get(picture: &Picture, tiles: Tiles, index: u64) -> Option<ChunkInput> {
    let columns = columns(picture, tiles);
    let (column, row) = (index.checked_rem(columns)?, index.checked_div(columns)?);
    let core_at = |place: u64, step: u32, size: u32| {
        let at = u32::try_from(place.checked_mul(u64::from(step.max(1)))?).ok()?;
        (at < size).then_some(at)
    };
    let (width, height, overlap) = (tiles.width, tiles.height, tiles.overlap);
    let core_x = core_at(column, width, picture.width)?;
    let core_y = core_at(row, height, picture.height)?;
    let column = span(core_x, width, overlap, picture.width);
    let row = span(core_y, height, overlap, picture.height);
    Some(ChunkInput::Tile {
        x: column.at,
        y: row.at,
        width: column.len,
        height: row.len,
        core_x,
        core_y,
        core_width: column.core_len,
        core_height: row.core_len,
    })
}

/// One side of a tile.
#[derive(Clone, Copy)]
struct Span {
    at: u32,
    len: u32,
    core_len: u32,
}

fn span(core_at: u32, step: u32, overlap: u32, size: u32) -> Span {
    let core_end = core_at.saturating_add(step.max(1)).min(size);
    let at = core_at.saturating_sub(overlap);
    let end = core_end.saturating_add(overlap).min(size);
    Span { at, len: end.saturating_sub(at), core_len: core_end.saturating_sub(core_at) }
}

/// What stands before a tile's pixels: a PGM header that says where the tile lies.
pub(super) fn header(tile: &ChunkInput, picture: &Picture) -> String {
    Header(tile, picture).to_string()
}

/// Bytes of the header.
pub(super) fn header_len(tile: &ChunkInput, picture: &Picture) -> u64 {
    text_len(format_args!("{}", Header(tile, picture)))
}

struct Header<'a>(&'a ChunkInput, &'a Picture);

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(tile, picture) = self;
        let ChunkInput::Tile { x, y, width, height, core_x, core_y, core_width, core_height } =
            tile
        else {
            return Ok(());
        };
        write!(
            f,
            "P5\n# medusa tile x={x} y={y} core={core_x},{core_y},{core_width},{core_height} \
             picture={}x{}\n{width} {height}\n255\n",
            picture.width, picture.height
        )
    }
}

/// The columns `x` to `x + width` of rows that are `stride` bytes each.
pub(super) fn crop(rows: &[u8], stride: u32, x: u32, width: u32) -> impl Iterator<Item = &[u8]> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let (x, end) = (size(x), size(x.saturating_add(width)));
    rows.chunks_exact(size(stride).max(1)).filter_map(move |row| row.get(x..end))
}

#[cfg(test)]
mod tests {
    use medusa_types::Sha256Hash;

    use super::*;

    fn picture(width: u32, height: u32) -> Picture {
        Picture { width, height, grey: Sha256Hash([0; 32]) }
    }

    fn by_tiles(picture: &Picture, width: u32, height: u32, overlap: u32) -> Vec<ChunkInput> {
        let tiles = Tiles { width, height, overlap };
        let all: Vec<_> =
            (0..count(picture, tiles)).filter_map(|index| get(picture, tiles, index)).collect();
        assert_eq!(u64::try_from(all.len()).unwrap(), count(picture, tiles));
        assert_eq!(get(picture, tiles, count(picture, tiles)), None);
        all
    }

    #[test]
    fn a_tile_is_its_core_grown_and_clipped() {
        let tiles = by_tiles(&picture(250, 100), 100, 100, 16);
        let of = |x, width, core_x, core_width| ChunkInput::Tile {
            x,
            y: 0,
            width,
            height: 100,
            core_x,
            core_y: 0,
            core_width,
            core_height: 100,
        };
        assert_eq!(tiles, [of(0, 116, 0, 100), of(84, 132, 100, 100), of(184, 66, 200, 50)]);
    }

    #[test]
    fn cores_partition_any_picture() {
        for (width, height, side) in [(1, 1, 16), (33, 70, 16), (64, 64, 16), (100, 17, 64)] {
            let mut seen = vec![0_u8; width * height];
            let size = |n: usize| u32::try_from(n).unwrap();
            for tile in by_tiles(&picture(size(width), size(height)), side, side, 5) {
                let ChunkInput::Tile { core_x, core_y, core_width, core_height, .. } = tile else {
                    panic!("{tile:?}")
                };
                for y in core_y..core_y + core_height {
                    for x in core_x..core_x + core_width {
                        seen[usize::try_from(y).unwrap() * width + usize::try_from(x).unwrap()] +=
                            1;
                    }
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "{width} x {height} by {side}");
        }
    }

    #[test]
    fn the_header_says_where_the_tile_lies() {
        let tiles = by_tiles(&picture(512, 512), 96, 96, 10);
        let picture = picture(512, 512);
        let header = header(&tiles[1], &picture);
        assert_eq!(header_len(&tiles[1], &picture), u64::try_from(header.len()).unwrap());
        let expected = "P5\n# medusa tile x=86 y=0 core=96,0,96,96 picture=512x512\n116 106\n255\n";
        assert_eq!(header, expected);
    }

    #[test]
    fn more_tiles_than_a_job_may_have_are_not_counted_out() {
        let tiles = Tiles { width: 1, height: 1, overlap: 0 };
        assert_eq!(count(&picture(60_000, 60_000), tiles), 3_600_000_000);
    }
}
