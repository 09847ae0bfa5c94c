// keytar.js get|set|delete SERVICE ACCOUNT [VALUE]: keytar, over libsecret.
const keytar = require(process.env.CLIENTS + "/node_modules/keytar");
const [, , verb, service, account, value] = process.argv;
(async () => {
  try {
    if (verb === "get") {
      const got = await keytar.getPassword(service, account);
      console.log(got == null ? "absent" : "value:" + Buffer.from(got).toString("hex"));
    } else if (verb === "set") {
      await keytar.setPassword(service, account, value);
      console.log("done");
    } else {
      console.log((await keytar.deletePassword(service, account)) ? "done" : "absent");
    }
  } catch (e) {
    console.log("error:" + e.message);
  }
})();
