//! A large input in the browser: it goes in parts, can be paused, and goes on after a reload when
//! the same file is chosen again.

use medusa_types::Sha256Hash;

use crate::harness::{Browser, Folder, House};

const MIB: usize = 1024 * 1024;

/// What the place for the input says.
async fn told(browser: &Browser) -> String {
    let said = "return document.querySelector('[data-drop=input] [data-part=told]').textContent";
    browser.js(said).await.as_str().unwrap().to_owned()
}

/// The height of the place for the input, and how wide the page is.
async fn shape(browser: &Browser) -> (i64, i64) {
    let height = "return Math.round(document.querySelector('[data-drop=input]').offsetHeight)";
    let width = "return document.documentElement.scrollWidth";
    (browser.js(height).await.as_i64().unwrap(), browser.js(width).await.as_i64().unwrap())
}

async fn press_pause(browser: &Browser) {
    let button = "document.querySelector('[data-drop=input] [data-part=pause]')";
    let press = format!("{button}.scrollIntoView({{ block: 'center' }}); {button}.click()");
    browser.js(&press).await;
}

#[tokio::test]
async fn a_large_input_is_paused_and_goes_on_after_a_reload() {
    let house = House::open().await;
    let Some(browser) = Browser::open(&house).await else { return };
    let carla = house.person("carla").await;
    let folder = Folder::new();
    let path = folder.path().join("measurements-of-the-whole-year-2026.bin");
    let bytes: Vec<u8> = (0..=250).cycle().take(30 * MIB).collect();
    std::fs::write(&path, &bytes).unwrap();
    let path = path.to_str().unwrap();

    browser.log_in(&carla).await;
    browser.be_narrow(360).await;
    browser.goto("/app/jobs/new").await;
    browser.click("label.choice:has(input[data-id='cells'])").await;
    browser.until("!document.querySelector('[data-after=source]').hidden").await;
    let before = shape(&browser).await;
    browser.be_slow(4 * 1024 * 1024).await;
    browser.fill("#input-file", path).await;
    browser.until("document.querySelector('[data-drop=input] progress').value > 0.3").await;
    let running = told(&browser).await;
    assert!(running.contains(" % of 31.5 MB"), "{running}");
    assert_eq!(shape(&browser).await, before, "nothing jumps, nothing sticks out");
    press_pause(&browser).await;
    browser
        .until("/Paused at/.test(document.querySelector('[data-drop=input]').textContent)")
        .await;
    assert_eq!(shape(&browser).await, before, "nothing jumps");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    if let Some(place) = std::env::var_os("MEDUSA_PICTURES") {
        std::fs::write(place, browser.picture().await).unwrap();
    }
    let at = "return document.querySelector('[data-drop=input] progress').value";
    let paused = browser.js(at).await.as_f64().unwrap();

    browser.goto("/app/jobs/new").await;
    browser.click("label.choice:has(input[data-id='cells'])").await;
    browser.fill("#input-file", path).await;
    browser.until("document.querySelector('[data-drop=input] progress').value > 0").await;
    let resumed = browser.js(at).await.as_f64().unwrap();
    assert!(resumed > 0.5 * paused, "{resumed} after {paused}");
    press_pause(&browser).await;
    browser
        .until("/Paused at/.test(document.querySelector('[data-drop=input]').textContent)")
        .await;
    browser.be_slow(0).await;
    press_pause(&browser).await;
    browser.until("document.querySelector('[data-drop=input]').classList.contains('full')").await;
    let said = told(&browser).await;
    assert!(said.contains("31.5 MB. Looks like"), "{said}");
    let blob = carla.client.preview(Sha256Hash::of(&bytes)).await.unwrap().blob;
    assert_eq!(usize::try_from(blob.size).unwrap(), bytes.len());
    assert_eq!(browser.errors().await, [""; 0]);
    assert_eq!(browser.js("return localStorage.length").await, 0, "nothing is left behind");
}
