// Signs in on the device page with a real browser, as a person would.
//
//   node scripts/browser.mjs CHROMIUM ADDRESS CODE USER PASSWORD WRONG_PASSWORD
//
// Run by scripts/strangers, which puts puppeteer-core where node finds it.
import puppeteer from "puppeteer-core";

const [chromium, address, code, user, password, wrongPassword] = process.argv.slice(2);

const browser = await puppeteer.launch({
  executablePath: chromium,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"],
});
try {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(address).origin)) {
      complaints.push(`the page asked ${request.url()}`);
    }
  });

  const text = async () => page.$eval("main", (main) => main.innerText);
  const submit = async (selector) =>
    Promise.all([page.waitForNavigation(), page.click(selector)]);
  const expect = async (words) => {
    const shown = await text();
    if (!shown.includes(words)) {
      throw new Error(`the page shows no ${JSON.stringify(words)}: ${JSON.stringify(shown)}`);
    }
  };

  await page.goto(address);
  await page.type("#user_code", "BBBB-BBBB");
  await submit("button");
  await expect("There is no such code");

  await page.type("#user_code", code.toLowerCase());
  await submit("button");
  await expect(code);
  await expect("Sign in only after you read this.");

  await page.type("#username", user);
  await page.type("#password", wrongPassword);
  await submit("button[value=allow]");
  await expect("The user or the password is wrong.");

  await page.type("#username", user);
  await page.type("#password", password);
  await submit("button[value=allow]");
  await expect("Signed in");

  // A refused form answers 401 or 404, which the console tells; anything else is a complaint.
  const others = complaints.filter((it) => !/status of (401|404)/.test(it));
  if (others.length > 0) {
    throw new Error(others.join("\n"));
  }
  console.log("the browser signed in");
} finally {
  await browser.close();
}
