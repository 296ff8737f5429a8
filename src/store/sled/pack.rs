//! Values made smaller: LZ4 over a text that holds what most values have in common. Each tenth change of a page of the database
//! writes all of it anew, so a byte of a value is four in its file, and what is in the file is read at a start.

use lz4_flex::block::{compress_with_dict, decompress_with_dict};

/// Shorter values are left as they are: most of what is in them is ids.
const LEAST: usize = 256;
/// Longer ones too: they are cut into pieces.
const MOST: usize = 16 << 10;

/// What values have in common, the most common last. It is a part of the layout and stays as it is: another one would be another form
/// of values.
const COMMON: &str = concat!(
    r#"urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"","externalId":"","members":[{"value":""#,
    r#""preferredLanguage":"","locale":"","timezone":"","nickName":"","profileUrl":"","userType":"","ims":[{"#,
    r#""photos":[{"type":"photo","roles":[{"primary":true,"display":"","value":"","entitlements":[{"x509Certificates":"#,
    r#""honorificPrefix":"","honorificSuffix":"","middleName":"","costCenter":"","division":"","organization":"","#,
    r#""manager":{"value":"","displayName":""},"meta":{"resourceType":"User"},"type":"home","type":"other","type":"fax","#,
    r#"{"verb":"update","kind":"Group","id":""},{"verb":"delete",{"verb":"create","kind":"User","id":""}"#,
    r#"{"operation":"delete",{"operation":"replace",{"operation":"patch","resource":"Group","name":"","unchanged":true,"#,
    r#""attributes":["active"],"attributes":["members"],"status":204,"status":200,"scimType":"","detail":"","mapping":""#,
    r#"{"operation":"create","resource":"User","name":"","attributes":["schemas","externalId","userName","active","#,
    r#""displayName","title","emails","name","phoneNumbers","addresses","#,
    r#""urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"status":201,"token":"","label":"default","request":""#,
    "externalId userName displayName ",
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","#,
    r#""urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"","userName":"","active":false,"#,
    r#""active":true,"displayName":"","title":"","name":{"formatted":"","givenName":"","familyName":""},"#,
    r#""emails":[{"type":"work","value":"","primary":true}],"emails":[{"primary":true,"type":"work","value":""}],"#,
    r#""phoneNumbers":[{"type":"mobile","value":"+"},{"type":"work","value":"+"}],"addresses":[{"type":"work","#,
    r#""formatted":"","streetAddress":"","locality":"","region":"","postalCode":"","country":""}],"#,
    r#""urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"","department":""}}"#,
);

/// A value in fewer bytes, with its length before them; `None` when that saves less than an eighth.
pub(super) fn pack(value: &[u8]) -> Option<Vec<u8>> {
    if !(LEAST..=MOST).contains(&value.len()) {
        return None;
    }
    let packed = compress_with_dict(value, COMMON.as_bytes());
    if packed.len() + value.len() / 8 > value.len() {
        return None;
    }
    let length = u16::try_from(value.len()).ok()?;
    Some([length.to_be_bytes().as_slice(), &packed].concat())
}

/// The value; `None` when these bytes are none of [`pack`]'s.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, packed) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    decompress_with_dict(packed, length, COMMON.as_bytes()).ok().filter(|value| value.len() == length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_stored_is_read_by_the_text_it_was_written_with() {
        assert_eq!(crc32fast::hash(COMMON.as_bytes()), 0x8346_0792, "a store that is there could not be read");
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value: Vec<u8>, times in 1_usize..40) {
            let value = value.repeat(times);
            if let Some(packed) = pack(&value) {
                prop_assert!(packed.len() < value.len());
                prop_assert_eq!(unpack(&packed), Some(value));
            }
        }

        #[test]
        fn any_bytes_are_a_value_or_none(bytes: Vec<u8>) {
            let _ = unpack(&bytes);
        }
    }
}
