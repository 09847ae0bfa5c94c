// cross.js get|set|delete|credential SERVICE ACCOUNT [VALUE] [KEYCHAIN]:
// cross-keychain as it is on a Mac, where it runs security.
Object.defineProperty(process, "platform", { value: "darwin" });
const keychain = require(process.env.CLIENTS + "/node_modules/cross-keychain");
const [, , verb, service, account, value] = process.argv;
const hex = (text) => "value:" + Buffer.from(text).toString("hex");
(async () => {
  const all = await keychain.getAllBackends();
  keychain.setKeyring(all.find((b) => b.id === "macos"));
  switch (verb) {
    case "get": {
      const got = await keychain.getPassword(service, account);
      return got === null ? "absent" : hex(got);
    }
    case "credential": {
      const got = await keychain.getCredential(service);
      return got === null ? "absent" : got.username + " " + hex(got.password);
    }
    case "set":
      await keychain.setPassword(service, account, value);
      return "done";
    case "delete":
      await keychain.deletePassword(service, account);
      return "done";
  }
})().then(console.log, (e) => console.log("error:" + e.message));
