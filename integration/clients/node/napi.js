// napi.js get|set|delete SERVICE ACCOUNT [VALUE]: @napi-rs/keyring.
const { Entry } = require(process.env.CLIENTS + "/node_modules/@napi-rs/keyring");
const [, , verb, service, account, value] = process.argv;
try {
  const entry = new Entry(service, account);
  if (verb === "get") {
    const got = entry.getPassword();
    console.log(got == null ? "absent" : "value:" + Buffer.from(got).toString("hex"));
  } else if (verb === "set") {
    entry.setPassword(value);
    console.log("done");
  } else {
    console.log(entry.deletePassword() ? "done" : "absent");
  }
} catch (e) {
  console.log("error:" + e.message);
}
