//! Styles, scripts and pictures of the site: embedded in the binary, compressed once at start.
//!
//! They live in a folder named by the hash of them all, so that browsers may keep them for ever and
//! scripts can import each other by plain relative names.

use std::collections::BTreeMap;
use std::io::Write as _;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use medusa_types::Sha256Hash;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Files;

/// One file, ready to be sent.
struct Asset {
    media_type: &'static str,
    plain: Vec<u8>,
    gzip: Vec<u8>,
}

/// All files.
pub(crate) struct Assets {
    folder: String,
    files: BTreeMap<String, Asset>,
}

impl Assets {
    /// Reads and compresses the embedded files.
    pub(crate) fn load() -> Self {
        let mut files = BTreeMap::new();
        let mut all = Vec::new();
        for name in Files::iter() {
            let Some(file) = Files::get(&name) else { continue };
            let plain = file.data.into_owned();
            all.extend_from_slice(name.as_bytes());
            all.extend_from_slice(Sha256Hash::of(&plain).as_bytes());
            let asset = Asset { media_type: media_type(&name), gzip: gzip(&plain), plain };
            files.insert(name.into_owned(), asset);
        }
        let hash = Sha256Hash::of(&all).to_string();
        Self { folder: hash.chars().take(16).collect(), files }
    }

    /// The address of a file.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("/static/{}/{name}", self.folder)
    }

    /// Answers a request for a file. Any folder name is accepted: an old page that is still open
    /// gets the new file, but may not keep it.
    pub(crate) fn serve(&self, req: &HttpRequest, folder: &str, name: &str) -> HttpResponse {
        let Some(asset) = self.files.get(name) else { return HttpResponse::NotFound().finish() };
        let current = folder == self.folder;
        let keep = if current { "public, max-age=31536000, immutable" } else { "no-store" };
        let accepted = req.headers().get(ACCEPT_ENCODING).and_then(|v| v.to_str().ok());
        let packed =
            accepted.is_some_and(|v| v.contains("gzip")) && asset.gzip.len() < asset.plain.len();
        let mut answer = HttpResponse::Ok();
        answer
            .insert_header((CONTENT_TYPE, asset.media_type))
            .insert_header((CACHE_CONTROL, keep))
            .insert_header((VARY, "accept-encoding"))
            .insert_header((HeaderName::from_static("x-content-type-options"), "nosniff"));
        // Said even when plain, so that a compressing middleware does not do it again.
        answer.insert_header((CONTENT_ENCODING, if packed { "gzip" } else { "identity" }));
        answer.body(if packed { asset.gzip.clone() } else { asset.plain.clone() })
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail; if it did, the plain file would be sent.
    match out.write_all(bytes).and_then(|()| out.finish()) {
        Ok(packed) => packed,
        Err(_) => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that the pages were designed for, in bytes as they travel.
    const CSS_MAX: usize = 12 * 1024;
    const JS_MAX: usize = 50 * 1024;

    #[test]
    fn styles_and_scripts_stay_within_their_budgets() {
        let assets = Assets::load();
        let packed = |end: &str| -> usize {
            assets.files.iter().filter(|(n, _)| n.ends_with(end)).map(|(_, a)| a.gzip.len()).sum()
        };
        let (css, js) = (packed(".css"), packed(".js"));
        assert!(css > 0 && css <= CSS_MAX, "styles are {css} bytes");
        assert!(js > 0 && js <= JS_MAX, "scripts are {js} bytes");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for (name, asset) in Assets::load().files {
            let text = String::from_utf8(asset.plain).unwrap();
            let foreign = text.replace("http://www.w3.org/", "");
            assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{name}");
        }
    }
}
