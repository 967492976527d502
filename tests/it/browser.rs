//! The website as a person uses it, in a real browser.

use crate::harness::{Browser, House};

/// Pages that anybody or anybody with an account may open.
const PAGES: [&str; 11] = [
    "/",
    "/docs",
    "/docs/errors",
    "/signup",
    "/app",
    "/app/jobs",
    "/app/jobs/new",
    "/app/wallet",
    "/app/lend",
    "/app/earn",
    "/device",
];

/// Fails when a page has to be scrolled to the side.
async fn fits(browser: &Browser, page: &str) {
    let widths = "return [document.documentElement.scrollWidth, innerWidth]";
    let widths = browser.js(widths).await;
    assert_eq!(widths[1], 360, "{page}");
    assert!(widths[0].as_u64().unwrap() <= 360, "{page} is {widths} wide");
}

#[tokio::test]
async fn a_newcomer_signs_up_starts_the_example_watches_its_map_and_sees_the_picture() {
    let house = House::open().await;
    let Some(browser) = Browser::open(&house).await else { return };
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];

    browser.goto("/").await;
    browser.click("a[href='/signup']").await;
    browser.fill("#name", "Nora Newcomer").await;
    browser.fill("#email", "nora@example.org").await;
    browser.fill("#password", "a long enough secret").await;
    browser.click("main form button.primary").await;
    browser.until("location.pathname.startsWith('/app')").await;

    browser.goto("/app/jobs/new").await;
    browser.click("label.choice:has(input[data-id='cells'])").await;
    browser.until("!document.querySelector('#ask').disabled").await;
    browser.click("#ask").await;
    browser.until("!document.querySelector('#run').hidden").await;
    let quote = browser.js("return document.querySelector('#quote').innerText").await;
    assert!(quote.as_str().unwrap().contains("36"), "{quote}");
    browser.click("#run").await;
    browser.until("location.pathname.startsWith('/app/jobs/job_')").await;

    browser.until("document.querySelector('#map')?.paints?.length > 0").await;
    browser.until("document.querySelector('#job').dataset.state === 'done'").await;
    let paints = browser.js("return document.querySelector('#map').paints.length").await;
    assert!(paints.as_u64().unwrap() > 3, "the map moved {paints} times");
    let verified = browser.js("return document.querySelector('[data-count=verified]').innerText");
    assert_eq!(verified.await, "36");
    browser.until("document.querySelectorAll('#timeline .lanes .lap').length >= 36").await;
    browser.until("document.querySelector('.picture img')").await;
    browser.js("document.querySelector('.picture img').scrollIntoView()").await;
    browser.until("document.querySelector('.picture img').naturalWidth === 512").await;
    assert_eq!(browser.errors().await, [""; 0]);

    let job = browser.js("return location.pathname").await;
    let job = job.as_str().unwrap();
    browser.be_narrow(360).await;
    for page in PAGES.into_iter().chain([job, &format!("{job}/chunks")]) {
        browser.goto(page).await;
        fits(&browser, page).await;
    }
    drop(agents);
}

#[tokio::test]
async fn an_admin_presses_verify_and_reads_that_everything_agrees() {
    let house = House::open().await;
    let Some(browser) = Browser::open(&house).await else { return };
    let admin = house.admin().await;
    browser.goto("/login").await;
    browser.fill("#email", &admin.email).await;
    browser.fill("#password", &admin.password).await;
    browser.click("main form button.primary").await;
    browser.until("location.pathname.startsWith('/app')").await;
    browser.goto("/admin").await;
    browser.click("#verify").await;
    browser.until("document.querySelector('#report .banner.good')").await;
    let said = browser.js("return document.querySelector('#report').innerText").await;
    assert!(said.as_str().unwrap().contains("Everything agrees"), "{said}");
    assert_eq!(browser.errors().await, [""; 0]);
    browser.be_narrow(360).await;
    browser.goto("/admin").await;
    fits(&browser, "/admin").await;
}
