//! The page for watching an ad of the house. The offer and its terms come by script from `/v1`;
//! what a credit buys is worked out here, from the tariff.

use actix_web::HttpResponse;
use askama::Template;
use medusa_api::{Tariff, Wallet};
use medusa_types::MICROS_PER_CREDIT;

use crate::ask::Ask;
use crate::show;

/// Fuel that counts as one core-minute, in billions: about 20 units a nanosecond on one desktop
/// core, which is what the tariff is made for.
const CORE_MINUTE_GFUEL: i64 = 1_200;

#[derive(Template)]
#[template(path = "earn.html")]
struct Earn<'a> {
    ask: &'a Ask,
    wallet: Wallet,
    /// Core-minutes that one credit buys, where there is a tariff.
    minutes: Option<i64>,
}

pub(crate) async fn earn(ask: Ask) -> HttpResponse {
    ask.show(async {
        let wallet = ask.data().wallet(ask.who()?).await?;
        // The page comes even when the price does not.
        let tariff = ask.data().tariff().await.ok();
        let minutes = tariff.and_then(|tariff| core_minutes(&tariff));
        ask.page(&Earn { ask: &ask, wallet, minutes })
    })
    .await
}

/// Core-minutes that one credit buys, to the nearest whole one; nothing where that is none.
fn core_minutes(tariff: &Tariff) -> Option<i64> {
    let minute = tariff.per_gfuel.checked_mul(CORE_MINUTE_GFUEL)?.micros();
    let half = minute.checked_div(2)?;
    MICROS_PER_CREDIT.checked_add(half)?.checked_div(minute).filter(|minutes| *minutes > 0)
}

#[cfg(test)]
mod tests {
    use medusa_types::Credits;

    use super::*;

    #[test]
    fn core_minutes_follow_the_tariff() {
        for (per_gfuel, expected) in
            [(28, Some(30)), (250, Some(3)), (1_666, Some(1)), (1_667, None), (0, None)]
        {
            let per_gfuel = Credits::from_micros(per_gfuel);
            let tariff = Tariff { per_gfuel, ..Tariff::usual() };
            assert_eq!(core_minutes(&tariff), expected, "{per_gfuel}");
        }
    }
}
