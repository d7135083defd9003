//! The commands about clients.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::open;
use crate::{first_factor::secret_hash, options::Data, random, store::Client};

pub(super) async fn add(data: &Data, client_id: String, public: bool) -> Result<String, String> {
    countersign::ClientId::new(&client_id).map_err(|error| error.to_string())?;
    let secret = URL_SAFE_NO_PAD.encode(random::<32>().map_err(|error| error.to_string())?);
    let client = Client { client_id, secret_hash: (!public).then(|| secret_hash(&secret)) };
    match open(data).await?.add_client(&client).await {
        Ok(true) => Ok(if public { client.client_id } else { secret }),
        Ok(false) => Err(format!("{} is there already", client.client_id)),
        Err(error) => Err(error.to_string()),
    }
}
