"""Rewrite `support_tickets.jsonl`, byte for byte: `python data/make_support_tickets.py`.

A supervised training file for a triage task. Each example is a fixed system message, a message as a customer
of an invented small software house would write it, and the answer a person at the help desk gave: compact JSON
with `category`, `priority` and `product`.

How a message comes about: a scene (what happened, hand-written for one category and one product) is chosen and
dressed by a tone: an opening, the writer's situation, what was tried, what depends on it, other products
mentioned in passing, a closing, slips of the keyboard. Square brackets hold alternatives, `[a|b|c]`, which may
nest and may be empty; braces hold slots. How urgent a message is comes from its scene and from the sentence that
says what depends on it, never from a die.

About one answer in eleven is wrong in the way people are wrong (`CONFUSED_WITH`, a neighbouring priority, the
product that was only mentioned). Those answers cannot be learned, only memorised: training for many epochs makes
the validation loss rise again.

Only `random.random()` is used, because Python promises the same sequence from it in every version.
"""

# ruff: noqa: E501 - sentences are easier to read unbroken

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

SEED = 20261
EXAMPLES = 1000
NOISE = 0.09  # share of answers a tired labeller got wrong in one field

T = TypeVar("T")

PRODUCTS = {  # name -> (share, words a customer uses instead of the name)
    "Quillmarsh": (0.20, ("your [document|docs] [editor|app]", "the [shared docs|docs] [thing|app|site]")),
    "Tidebarn": (0.17, ("your backup [app|program|tool]", "the [sync|backup] [client|app]")),
    "Ledgerwren": (0.20, ("your invoicing [app|software|tool]", "the [invoice|invoicing] [app|program]")),
    "Shiftmallow": (0.16, ("the rota [app|software]", "your [scheduling|shift] [app|tool]")),
    "Chimeloft": (0.15, ("the [team |]chat app", "your [chat|messenger] [app|thing]")),
    "Formfern": (0.12, ("your [form builder|survey tool]", "the [forms|survey] [site|tool|app]")),
}
CATEGORIES = {  # name -> (share, usual priority as a place in PRIORITIES)
    "bug": (0.20, 1),
    "how_to": (0.17, 0),
    "billing": (0.17, 1),
    "access": (0.14, 2),
    "feature_request": (0.11, 0),
    "outage": (0.09, 2),
    "cancellation": (0.07, 1),
    "privacy": (0.05, 1),
}
PRIORITIES = ("low", "normal", "high", "urgent")

# What a labeller who skims takes a category for.
CONFUSED_WITH = {
    "bug": ("outage", "how_to"),
    "outage": ("bug",),
    "how_to": ("feature_request", "bug"),
    "feature_request": ("how_to",),
    "billing": ("cancellation",),
    "cancellation": ("billing",),
    "access": ("bug",),
    "privacy": ("how_to", "access"),
}

SYSTEM = (
    "You sort customer messages for the help desk of a small software house. Answer with one line of compact JSON "
    "and nothing else: category (access, billing, bug, cancellation, feature_request, how_to, outage, privacy), "
    "priority (low, normal, high, urgent) and product (Chimeloft, Formfern, Ledgerwren, Quillmarsh, Shiftmallow, "
    "Tidebarn)."
)

# ---------------------------------------------------------------------------------------------------------------
# Scenes: what happened. {P} is the product, by name or by what it does; the vocabulary gives it away either way.

SCENES: dict[str, dict[str, tuple[str, ...]]] = {
    "bug": {
        "Quillmarsh": (
            "[Comments|All my comments] on a page [disappear|vanish|are gone] [as soon as|whenever] I resolve [one|any] of them",
            "exporting [a|any] page to PDF [cuts off|swallows|drops] the last {small} lines of every table in {P}",
            "when two of us type in the same paragraph the cursor [jumps|hops|flies] to the top and words get [mixed up|scrambled]",
            "pasting from a spreadsheet into {P} turns every [column|cell] into [one long line|question marks|plain text with no borders]",
            "the version history [shows|lists] the same [edit|revision] {small} times and restoring any of them gives me a blank page",
            "images I drop into a page [show up sideways|come out tiny|turn grey] [after saving|when I reload]",
        ),
        "Tidebarn": (
            "{P} says [everything is up to date|all files are safe] but {file} [never made it|is still the old copy|isn't there] on my other [laptop|machine]",
            "files with [an accent|an umlaut|an apostrophe] in the name, like {file}, get skipped by the backup [every time|without a word]",
            'restore [stops|gives up|hangs] at {percent} % with "{error}"',
            "the sync icon [spins|turns] forever [after|since] [the update|version {version}] and my fan is running like mad",
            'I now have {small} copies of every folder called "conflict" [even though|although] nobody else uses [this account|my folders]',
            "{P} keeps backing up the folder I [excluded|took out] {ago}",
        ),
        "Ledgerwren": (
            "invoices [go out|are sent] with last [month's|year's] date [no matter what|whatever] I type in the field",
            "the VAT on a credit note is [calculated twice|rounded the wrong way|off by a cent], e.g. invoice {number}",
            "payment reminders were sent to customers who [have paid|paid weeks ago], [quite embarrassing|they are not happy]",
            "the bank feed in {P} [imported|pulled in] [every|each] transaction twice since {when}",
            "the total on the PDF [does not match|is different from] the total on the screen, [£47.50 on one and £45.70 on the other|it's two cents more|one says €1.204,00 and the other €1.240,00]",
            "duplicating a quote [loses|drops] the [discount|line items|customer's address]",
        ),
        "Shiftmallow": (
            "[shift swaps|swaps] that I approved [show|come up] as pending again [the next morning|an hour later]",
            "overtime [counts|is counted] double on [Sundays|bank holidays] in the timesheet [export|report]",
            "the rota for [next week|week {week}] shows {mate} [twice|in two places] at the same time",
            "the clock-in button [does nothing|stays grey] on {device} unless you [restart|reinstall] {P}",
            "after the clocks changed every night shift is [one hour short|an hour out|wrong by an hour]",
            'holiday requests [get stuck|hang] on "sending" and then [appear|turn up] three times on my side',
        ),
        "Chimeloft": (
            "I get a [notification|ping|badge] for messages I've [already read|read hours ago]",
            "voice calls in {P} [go silent|drop the sound] after [about |]{small} minutes, video [still works|carries on fine]",
            "[threads|replies] [open|end up] in the wrong channel when I click them from the [search|inbox]",
            "screen sharing [freezes|shows a black window] for everyone on {device}",
            "messages I send from {device} [arrive|appear] out of order or [twice|two times]",
            "the unread counter is stuck on {small} and [nothing|no amount of clicking] [clears|resets] it",
        ),
        "Formfern": (
            "people [can't|are unable to|cannot] get past question {small}, the Next button [does nothing|is greyed out]",
            "the [spreadsheet|CSV] download puts answers [in the wrong columns|one column to the right]",
            "our form lets you submit with the [required|mandatory] fields [empty|left blank] on {browser}",
            "[results|the charts] add up to more than 100 % [since|after] I [reordered|moved] the questions",
            "the thank-you page [shows|still shows] the text of a form I [deleted|closed] {ago}",
            "date answers [flip|swap] day and month, so 3 April becomes 4 March",
        ),
    },
    "how_to": {
        "Quillmarsh": (
            "how [do I|can I|would I] turn a page into a template [for the others|that my team can use]",
            "is there a way to see who [read|opened] a [page|document] or only who edited it",
            "where [do I find|is] the setting for [page numbers|the table of contents] when I print from {P}",
            "what is the [right|best] way to move [a whole space|a bunch of pages] to another [team|owner]",
            "can I link to one [heading|paragraph] [inside|in the middle of] a long page",
        ),
        "Tidebarn": (
            "how do I [restore|get back] one single [file|folder] from [last week|a month ago] without rolling back everything",
            "can {P} back up [an external drive|a network folder|a USB disk], and where do I tick that",
            "which folders [should I|do I need to] leave out so [the backup|a backup] doesn't take [all night|hours]",
            "I bought a new laptop. How do I move my backup [to it|over] [without uploading everything again|the right way]",
            "how long are old [snapshots|versions] kept and where can I [see|change] that",
        ),
        "Ledgerwren": (
            "how do I [record|enter] a part payment on an invoice",
            "where can I [change|set] the [invoice numbers|numbering] so that it starts at {number} in {P}",
            "how do I add [my logo|a second address|bank details] to the [quote|invoice] template",
            "what's the [proper|right] way to write off an invoice that will never be paid",
            "can I send the same invoice to two [e-mail addresses|people], and how",
        ),
        "Shiftmallow": (
            "how can I copy last week's rota [to this week|and just change {small} shifts]",
            "[is it possible|how would I go about it] to let staff swap shifts [themselves|without asking me each time]",
            "where do I enter [the minimum rest|unpaid breaks|a public holiday] in {P}",
            "how do I give {mate} the right to [approve holidays|see the timesheets] and nothing else",
            "what do I click to print the rota [for the wall|on one page]",
        ),
        "Chimeloft": (
            "how do I mute one [channel|thread] [at night|after hours] but still get [calls|direct messages]",
            "can I [pin|keep] a message at the top of a channel, I can't find it in {P}",
            "how do guests [join|get into] a call without [an account|signing up]",
            "where is the list of [files|pictures] that were [sent|shared] in a channel",
            "what is the difference between archiving and [closing|leaving] a channel",
        ),
        "Formfern": (
            "how do I show a question only [if|when] someone answered yes [before|to the one above]",
            "can I [close|stop] a survey automatically [after {small} responses|on {day}]",
            "how do I [embed|put] the form on [our website|my own page] so it doesn't look [tiny|squashed]",
            "where do I change the mail people get [after submitting|when they have filled in the form]",
            "is there a trick to [copy|reuse] questions from one {P} form in another",
        ),
    },
    "billing": {
        "Quillmarsh": (
            "I [was|have been] charged for {small} editors but [two|half] of them only ever read pages",
            "the receipt for {P} [shows|says] {money}, our plan is {money}[, what happened|]",
            "we need [an invoice|a proper invoice] with our VAT number for the docs subscription[, the receipt isn't enough for our accountant|]",
            "why did the price per [editor|writer] go up [in the middle of the year|without notice]",
        ),
        "Tidebarn": (
            "you took {money} for extra storage that I [never ordered|did not ask for], my backup is only {digit} GB",
            "I paid for the yearly backup plan and am [still|again] being billed monthly",
            "my card was [declined|refused] and now {P} wants [a late fee|{money} more]",
            "[can you|could you] tell me what I pay if I go from {digit}00 GB to a terabyte",
        ),
        "Ledgerwren": (
            "there are two charges of {money} from {P} on my [statement|bank statement] for [this month|{month}]",
            "the discount code [for new customers|from your newsletter] was not [applied|taken off] our invoicing plan",
            "we are [a charity|a non-profit|a school club] and were promised half price for {P}, the bill says otherwise",
            "please [move|change] our billing to [bank transfer|direct debit], we can't pay by card any more",
        ),
        "Shiftmallow": (
            "we were billed for [14|20|twenty-two] staff though [only|just] {small} of them are on the rota",
            "seasonal staff left in {month} but we [still pay|keep paying] for their seats in {P}",
            "I need the last [three|six|twelve] invoices for our shift planning as [PDFs|PDF], the [links|downloads] have expired",
            "my manager asks why the scheduling bill [jumped|went] from [£18 to £31|$40 to $96|€22 to €37,50]",
        ),
        "Chimeloft": (
            "{P} charged us for guest accounts, [the website|your price page] says guests are free",
            "our chat plan was [upgraded|switched to the bigger plan] by somebody, [please put|I'd like] the {money} back",
            "the bill for call minutes is [odd|strange|not right]: we [hardly|never] make calls",
            "which address do I use to [change|correct] the company name on the {P} invoice",
        ),
        "Formfern": (
            "I [was|got] charged the [higher|next] tier because of {digit}00 [spam|junk] responses",
            "the free trial of {P} [ended|ran out] a day early and {money} [was|were] taken from my card",
            "could you [split|divide] the survey bill over two cost centres",
            "I paid twice for the same form pack, {money} on Monday and again {ago}",
        ),
    },
    "access": {
        "Quillmarsh": (
            '{mate} invited me to a space but I [only see|just get] "you need permission"[ on every page|]',
            "after [changing|I changed] my [e-mail|password] {P} [logs me out|throws me out] of every document",
            "the owner of our [documents|pages] has left and nobody [can|is able to] [edit|open] them",
            "I can [read|see] our handbook but [can't|am no longer allowed to] edit it since {when}",
        ),
        "Tidebarn": (
            "[I've lost|I can't find] the recovery key for my backup and [can't|cannot] get at my files",
            "{P} [asks for|wants] a code from my old phone which [I no longer have|is at the bottom of a lake]",
            'my new laptop is [refused|rejected] as "device not allowed" so I can\'t reach my [backup|folders]',
            "the backup account [is locked|says locked] after {small} wrong passwords[ that weren't mine|, all mine I'm afraid]",
        ),
        "Ledgerwren": (
            "I'm [locked out|shut out] of {P} and can't send [a single invoice|any invoices]",
            'our bookkeeper can\'t [log in|sign in] to the invoices, [it says|she gets] "{error}"',
            "the password reset mail for the invoicing account [never arrives|doesn't come], [not even in spam|I checked spam]",
            "I was [removed|kicked] from our company in {P} by [mistake|accident] and {mate} can't add me back",
        ),
        "Shiftmallow": (
            "new staff [can't|cannot] [log in|sign in] with the code on the rota [poster|letter]",
            '{mate} can\'t open [the rota|her shifts] any more, the app [says|keeps saying] "{error}"',
            "I'm the manager but {P} [thinks|believes] I'm [normal staff|an employee] and hides the timesheets",
            "the PIN for clocking in [is rejected|doesn't work] for half [the|our] crew",
        ),
        "Chimeloft": (
            'I [can\'t|cannot] sign in to {P}, it [loops|goes round] between the login page and "welcome back"',
            "[two-factor|the six-digit code] never [arrives|comes] so I'm [cut off|locked out] from the whole team chat",
            "I was [dropped|removed] from our private channel and [nobody|no one] knows who the admin is",
            "my guest link to the channel [has expired|is dead] and {mate} can't make a new one",
        ),
        "Formfern": (
            "I can't [open|get into] the results of our survey, [only|just] {mate} can",
            "the form was [made|built] on a colleague's account, she's [left|gone], and we can't edit it",
            "{P} [doesn't accept|refuses] my password [even after|although] I reset it {small} times",
            'respondents [get|see] "{error}" and are asked to log in, the form should be [open|public]',
        ),
    },
    "feature_request": {
        "Quillmarsh": (
            "[it would be great|I'd love it] if pages could be [read|edited] offline on the train",
            "[please add|any chance of] a dark [mode|theme] for the editor, my eyes [hurt|burn] at night",
            "a way to [compare|see side by side] two versions of a page would [save us hours|be lovely]",
            "could {P} get [proper footnotes|footnotes|numbered headings] one day",
        ),
        "Tidebarn": (
            "I'd [like|love] {P} to pause [the backup|syncing] on [a phone hotspot|mobile data] by itself",
            "[wish list|suggestion]: a monthly mail that says what was backed up and what was not",
            "would you [consider|think about] a Linux version of the backup client",
            'please let us [name|label] snapshots, "before the big tidy-up" is easier to find than a date',
        ),
        "Ledgerwren": (
            "could {P} [support|do] invoices in [two currencies|Swiss francs|several languages]",
            "[it'd be handy|would be nice] to send invoices by text message, [my|our] customers don't read mail",
            "[please build|I miss] a way to [bill|invoice] the same amount every month without [thinking|clicking]",
            'an "are you sure" before a reminder goes out would be [great|a good idea]',
        ),
        "Shiftmallow": (
            "[any plans|are there plans] to show shifts in the phone's own calendar",
            "I [wish|would like] the rota could be [coloured|grouped] by [team|skill|room]",
            "[idea|suggestion]: let {P} warn me when someone is over {small} hours [a week|in a week]",
            "a waiting list for popular shifts would [stop the fights|help us a lot]",
        ),
        "Chimeloft": (
            "please let us [schedule|delay] a message [for tomorrow morning|so it goes out at nine]",
            "[would be nice|it would be great] to have polls in a channel",
            "can you make {P} [translate|transcribe] voice messages, half our crew speaks [Polish|Portuguese]",
            'I [miss|would love] a [reminder|snooze] on messages, like "ask me again on {day}"',
        ),
        "Formfern": (
            "[please add|could you add] a signature field to forms, we still print ours for that",
            "[I'd pay extra for|would love] file uploads bigger than {digit}0 MB in a form",
            "a map question (click where you live) would be [perfect|great] for our [survey|parish survey]",
            "could {P} remember half-filled surveys so people can [finish|carry on] later",
        ),
    },
    "outage": {
        "Quillmarsh": (
            "no page [opens|loads] in {P}, just [a grey screen|the spinning circle] for [everyone|all of us] here",
            "the docs are [down|not reachable|dead] since {when}, in two offices",
            'saving takes [minutes|forever] for the whole team today, every document says "reconnecting"',
        ),
        "Tidebarn": (
            'nothing has been backed up on any of our machines since {when}, {P} says "server not reachable"',
            "is the sync service down? [none|not one] of our {small} laptops can connect",
            "[uploads|backups] crawl at a few KB/s for all of us, [normally|usually] it takes {small} minutes",
        ),
        "Ledgerwren": (
            '{P} [shows|gives] "{error}" to [everybody|all of us] in the office, on every page with invoices',
            "the payment page behind our invoices is [down|offline], customers [ring|call] because they can't pay",
            "the bank feed has been [down|dead|offline] for all accounts since {when}",
        ),
        "Shiftmallow": (
            "the rota [is not loading|won't load] for anyone, {small} people [don't know|are asking] if they work tonight",
            'nobody can clock in, [all|every one] of the terminals [show|say] "no connection"',
            "{P} is [terribly|unbelievably] slow for every site today, a click takes [a minute|{digit}0 seconds]",
        ),
        "Chimeloft": (
            'messages are not [going through|arriving] for anyone, {P} says "connecting" since {when}',
            "all calls [drop|fail] at once, in every channel, for the [whole company|whole team]",
            "chat is [down|gone] again, second time this week, [status page says all green|your status page shows nothing]",
        ),
        "Formfern": (
            'our public form [shows|returns] "{error}" to everyone who [clicks|opens] the link',
            "no responses since {when}, and everyone we ask says the survey page [doesn't load|stays white]",
            "{P} [times out|is timing out] for all our forms, here and on mobile networks",
        ),
    },
    "cancellation": {
        "Quillmarsh": (
            "please [cancel|end] our {P} subscription [at the end of|from the end of] the month, we [moved|are moving] our documents elsewhere",
            "we don't need the shared documents any more[, the project is over|], how do I close the workspace",
            "I want to [leave|quit] the paid docs plan and go [back to|down to] the free one",
        ),
        "Tidebarn": (
            "I'd like to [stop|cancel] my backup plan, I have [a disk at home|my own server] now",
            "[cancel|please cancel] {P}, the old laptop it was for has [died|gone to my nephew]",
            "don't renew the storage plan in {month}, [thanks|we are closing the studio]",
        ),
        "Ledgerwren": (
            "I am closing my [business|shop|little firm] and [want|would like] to end {P} after the last invoice",
            "we changed to the software our accountant uses, please terminate the invoicing plan",
            "cancel the renewal of our invoice subscription, [too expensive for what we use|we send five invoices a year]",
        ),
        "Shiftmallow": (
            "our season is over, please [pause or cancel|cancel] {P} until [spring|next year]",
            "we [sold|are selling] the restaurant so the rota account [can be closed|is not needed any more]",
            "I [want|wish] to end the scheduling contract, the team [never really used it|went back to paper]",
        ),
        "Chimeloft": (
            "the team voted against {P}, please [end|cancel] our chat plan",
            "we'd like to [terminate|cancel] the chat subscription for {small} people as of {month}",
            "please don't renew, nobody [writes|is] in the channels any more",
        ),
        "Formfern": (
            "our survey is [done|finished], I'd like to [cancel|stop] the {P} plan before it renews",
            "[cancel|end] my forms subscription please, I only needed it for one wedding",
            "we [stop|are stopping] using {P}, the council gives us another form tool",
        ),
    },
    "privacy": {
        "Quillmarsh": (
            "a page that [should be|is supposed to be] private turned up in [a search engine|a web search]",
            "please [delete|erase] everything I ever wrote in {P}, I [left|have left] that company",
            "who at your place can read our documents, [our|the] data protection officer [asks|wants to know]",
        ),
        "Tidebarn": (
            "in which country are my backups [stored|kept], and are they encrypted so that you can't read them",
            "I sold my laptop and [fear|am afraid] the buyer can still see my folders in {P}",
            "please confirm in writing that all my backup data [has been|was] deleted",
        ),
        "Ledgerwren": (
            "a customer [received|got] somebody else's invoice with [name and address|bank details] on it",
            "I need the data processing agreement for {P} for our [records|audit]",
            "a former customer asks us to delete her data, how far back do our invoices have to keep it",
        ),
        "Shiftmallow": (
            "staff can see each other's [private phone numbers|home addresses|sick notes] in the rota app[, that must not be|]",
            "an employee who left asks for [a copy of|all] the data {P} holds about her",
            "does the clock-in really record where my people are, and [for how long|who sees it]",
        ),
        "Chimeloft": (
            "can the admin read our private messages in {P}",
            "a stranger [appeared|was] in our private channel for [an hour|a while] and [could read|read] everything",
            "please remove my [photo|phone number|profile] and all chat history of mine",
        ),
        "Formfern": (
            "our survey was promised to be anonymous but the results show [mail|IP] addresses",
            "[parents|some people] ask where the answers from our form are [kept|stored] and when they are deleted",
            "somebody shared the results link, {digit}0 people [have|may have] seen health answers",
        ),
    },
}

# Scenes that fit any product, so the product must be named: {N}.
ANYWHERE: dict[str, tuple[str, ...]] = {
    "bug": (
        "{N} [crashes|closes itself] on {device} [whenever|each time] I [rotate the screen|come back from another app]",
        "the search in {N} [finds|only finds] things from [last year|before {month}]",
        "[since|after] version {version} the buttons in {N} are in [Danish|another language], [charming but no|I set English]",
        '{N} shows "{error}" when I press [Save|OK|Send], but after a reload the change is there',
    ),
    "how_to": (
        "how do I [change|set] the [language|time zone] in {N}",
        "[quick|small|short] question: where [do I|can I] switch off the {N} newsletter and [keep|still get] the important mails",
        "is there a [manual|short video|guide] for {N} for people who are not good with computers",
        "how do I add a [second|new] colleague to {N}",
    ),
    "billing": (
        "I cancelled {N} in {month} and you [still|again] took {money}",
        "please refund {money} for {N}, I [bought|took] the [wrong|bigger] plan by mistake",
        "our card [expires|runs out] soon, where do I enter the new one for {N}",
        "the {N} invoice has the wrong [address|company name|tax number]",
    ),
    "access": (
        "{N} says my [account|e-mail] doesn't exist, [I used it yesterday|yesterday it did]",
        "I [forgot|can't remember] which address I used for {N}, can you [look it up|find out]",
        'single sign-on to {N} [ends|stops] with "{error}" since {when}',
        "I'm locked out of {N} after [a phone change|my phone was stolen]",
    ),
    "feature_request": (
        "[would|could] you bring back the old [layout|start page] of {N} as an option",
        "I'd like [keyboard shortcuts|bigger letters|a Welsh version] in {N}",
        "{N} and a [smart watch|tablet with a pen]: is that something you [plan|have in mind]",
    ),
    "outage": (
        "{N} is down, [for everybody here|nobody in the office can use it], since {when}",
        '{N}: "{error}" on every page, on every machine, [on two networks|at home as well]',
        "is there [a problem|an outage] with {N}? it is [crawling|unusable] for [all of us|the whole team]",
    ),
    "cancellation": (
        "how do I [cancel|get out of] {N}, the button on the account page [leads nowhere|is hidden well]",
        "I [hereby|would like to] [cancel|give notice for] our {N} contract[, please confirm|]",
        "my trial of {N} was fine but it's not for me, please [close|delete] the account",
    ),
    "privacy": (
        "what data does {N} [collect|keep] about me, I would like a copy",
        "please [erase|delete] my account in {N} and all data with it, and tell me when it's done",
        "I [got|received] a mail from {N} addressed to a complete stranger",
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# Dressing.

OPENINGS = {
    "plain": ("", "", "Hi,", "Hello,", "Hi there,", "Good morning,", "Hello team,"),
    "polite": (
        "Dear support team,",
        "Good afternoon,",
        "Hello and thank you for your help last time.",
        "Dear all,",
        "Hi, I hope you're well.",
        "Hello, sorry to bother you [again|].",
    ),
    "terse": ("",),
    "angry": (
        "",
        "Seriously?",
        "This is getting ridiculous.",
        "Third mail about this.",
        "Hello??",
        "I'm fed up.",
        "Is anybody reading this?",
    ),
    "rambling": (
        "Hi, me again.",
        "Hello, I'm not sure this is the right address.",
        "Hi! Long-time user here.",
        "Good evening, I promised my [boss|wife|daughter] I'd write this down properly.",
        "So,",
    ),
    "foreign": (
        "Bonjour,",
        "Hello, excuse my English.",
        "Guten Tag,",
        "Hi, sorry for mistakes, I write with translator.",
        "Olá,",
    ),
}
SITUATIONS = (
    "We're a [small bakery|bike shop|dental practice|village school|choir|family hotel] with {small} people[ and one of them does the computers, me|].",
    "I [run|manage] a [café|garden centre|two-chair salon|climbing gym] in [a small town|the north|the harbour].",
    "I do the [office|books|admin] for [a vet|an architect|a plumber|three doctors] [two days a week|on Fridays].",
    "I've been [with you|a customer] for {small} years.",
    "We only started [with it|using it] {ago}.",
    "I'm writing for {mate}, who [is on leave|hates e-mail|is in the kitchen].",
    "I volunteer for [a food bank|the rowing club|the local library].",
)
_TRIED = (
    "I [restarted|rebooted] [twice|{device}|everything] and [it's the same|nothing changed].",
    "[Cleared|I cleared] the cache in {browser}[, no luck|, that did not help|: no difference].",
    "[Tried|I tried] it on {device} and on {device}, same [thing|story].",
    "Logged out, logged in, [made tea|waited an hour], [still the same|no change].",
    "It's the same for {mate}.",
    "Reinstalling [didn't help|changed nothing].",
    "It worked [fine|perfectly] until {when}.",
)
TRIED = {
    "bug": _TRIED,
    "access": _TRIED,
    "outage": _TRIED[:5],
    "how_to": (
        "I read the help page [twice|up and down] and [it doesn't say|am none the wiser].",
        "{mate} [had|has] no idea either.",
        "I [looked|searched] under Settings and [under Account|everywhere else].",
        "I [found|saw] a video about it but that's [an old version|in a language I don't speak].",
    ),
}
ABOUT = {  # what a category makes people add
    "billing": (
        "The last [digits|four digits] of the card are [in your records|known to you].",
        "Reference {number}.",
        "My accountant needs this [sorted|cleared up].",
    ),
    "cancellation": (
        "[Please confirm|Please send me a confirmation] by mail.",
        "No hard feelings.",
        "What happens to our data afterwards?",
    ),
    "privacy": ("[Please answer in writing|I need this in writing].", "Our works council is asking."),
    "feature_request": (
        "[Just an idea|Only a thought].",
        "Other tools [have|can do] that.",
        "Apart from that [I love it|we're happy].",
    ),
    "how_to": (
        "I'm sure it's [obvious|easy] and I just don't see it.",
        "[A link to the right page is enough|A one-line answer will do].",
    ),
    "outage": (
        "Your status page [shows nothing|is all green].",
        "We're in [two buildings|three towns] and it's the same everywhere.",
    ),
    "bug": (
        "[Happens|It happens] every time.",
        "It [happens|occurs] about one time in {small}.",
        "I can send a [screenshot|video].",
        "See [attached|the screenshot].",
    ),
    "access": ("My user name is the address I'm writing from.", "I [did not|didn't] change anything."),
}
# What depends on it.
STAKES = {
    "calm": (
        -1,
        (
            "No [rush|hurry] at all.",
            "[Whenever|Answer whenever] you have [time|a minute].",
            "Not urgent[, just curious|].",
            "It can wait until [next week|you're less busy].",
            "Low priority from my side.",
            "Nothing [breaks|burns] if this takes a while.",
            "[Take your time|No need to answer today].",
        ),
        (
            "We have a workaround so [take your time|it's fine for now].",
            "We [can|could] live with it for a while.",
        ),
    ),
    "none": (0, ("",), ("",)),
    "pressing": (
        1,
        (
            "I need this [solved|sorted|cleared up] by {day}.",
            "Please answer [soon|quickly], I have a deadline [this week|on {day}].",
            "[My boss|The owner] asks me about it every morning.",
            "We can't finish [the quarter|our audit|the month end] without it.",
            "I can't wait much longer for [this|an answer].",
            "It has to be [done|settled] before {day}.",
        ),
        (
            "[We're losing|It costs us] [an hour|hours] every day because of this.",
            "[Our customers|Customers] are starting to notice.",
            "This is holding up [two of us|my work|half the team].",
        ),
    ),
    "emergency": (
        3,
        (
            "URGENT please, it has to be [settled|done] today.",
            "I need someone to [call|phone] me back right away.",
            "Please [do something|act] immediately.",
            "[The lawyer|The tax office|My boss] wants it within the hour!",
            "This cannot wait until tomorrow.",
        ),
        (
            "This is urgent, [nobody|none of us] can work [right now|at the moment].",
            "We open in [an hour|twenty minutes] and [need this now|can't start].",
            "URGENT, [we're losing money every minute|customers are standing in front of me].",
            "Everything has stopped, please [help now|do something immediately].",
            "The [inspection|deadline|event] is today and we are stuck.",
        ),
    ),
}  # (shift of the usual priority, what anyone may write, what people write when something does not work)
NOT_WORKING = ("bug", "access", "outage")
STAKES_SHARES = {
    "feature_request": {"calm": 0.4, "none": 0.5, "pressing": 0.1},
    "how_to": {"calm": 0.24, "none": 0.44, "pressing": 0.26, "emergency": 0.06},
    "": {"calm": 0.17, "none": 0.38, "pressing": 0.27, "emergency": 0.18},  # the others
}
ASIDES = (  # other products, mentioned in passing: {O}
    "{O} works fine[ by the way|, so it isn't our internet].",
    "We [also use|have] {O}[, no trouble there|] and [are happy|love it].",
    "(Is this [the same login as|connected to the login] for {O}?)",
    "I had the same [trouble|question] with {O} [last year|once].",
    "[My colleague|{mate}] says I should write to the {O} people but [I think|surely] it's you.",
    "We came from {O} and [didn't have this|found that easier].",
    "Unlike {O}, which [just works|never lets me down].",
)
CLOSINGS = {
    "plain": ("", "", "Thanks!", "Thank you.", "Cheers", "Thanks in advance", "Best, {sign}"),
    "polite": (
        "Many thanks for your help.",
        "Kind regards, {sign}",
        "With thanks and best wishes",
        "I'd be grateful for a short answer. {sign}",
        "Thank you very much 🙏",
    ),
    "terse": ("", "", "thx", "pls help"),
    "angry": (
        "Fix it.",
        "I expect an answer [today|this time].",
        "Otherwise we'll look elsewhere.",
        "Not impressed.",
        "",
    ),
    "rambling": (
        "Anyway, that's it from me. {sign}",
        "Sorry for the long mail!",
        "Greetings from the [rain|seaside|shop floor], {sign}",
        "Well, you know best. Thanks.",
    ),
    "foreign": (
        "Merci d'avance",
        "Thank you and sorry again for my English",
        "Mit freundlichen Grüßen",
        "Obrigado!",
        "Best regards {sign}",
    ),
}
TONES = {"plain": 0.34, "polite": 0.17, "terse": 0.19, "angry": 0.11, "rambling": 0.12, "foreign": 0.07}
LEADS = {  # words that lead into the scene
    "plain": ("", "", "", "[I think|It seems|Looks like] ", "just so you know: ", "[odd|strange]: "),
    "polite": (
        "I wanted to [ask|let you know]: ",
        "may I report the following: ",
        "",
        "we noticed something: ",
    ),
    "terse": ("",),
    "angry": ("", "again: ", "for the {nth} time, ", "how hard can it be: "),
    "rambling": (
        "",
        "the thing is, ",
        "it started when I was [making coffee|about to go home]: ",
        "to cut a long story short, ",
    ),
    "foreign": ("", "I have problem: ", "we have the question, ", "please can you look: "),
}
QUESTION_LEADS = (
    "",
    "",
    "a question: ",
    "I was wondering, ",
    "[maybe|perhaps] you can tell me: ",
    "one thing: ",
)
REQUEST_LEADS = ("", "", "", "one request: ", "a [small|simple] thing: ", "[just|only] this: ")
QUESTIONS = re.compile(
    r"(how|where|what|which|who|why|in which|does|any (chance|plans)|are there|is (there|it|the)|(can|could|would) (you|I|we|the|Q|T|L|S|C|F|guests))\b"
    r"|can |could ",
    re.IGNORECASE,
)
REQUESTS = re.compile(
    r"(please|cancel|end|don't|idea|suggestion|wish list|it would|it'd|would be|I'd like|I hereby)\b",
    re.IGNORECASE,
)

LOWER_AFTER_COMMA = frozenset(
    (
        "We",
        "We're",
        "The",
        "Our",
        "My",
        "After",
        "Since",
        "How",
        "Where",
        "Can",
        "Is",
        "What",
        "Please",
        "It",
        "People",
        "In",
    )
)

SLOTS: dict[str, tuple[str, ...]] = {
    "small": (
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "9",
        "11",
        "12",
        "14",
        "17",
        "23",
        "three",
        "four",
        "five",
        "six",
    ),
    "digit": ("2", "3", "4", "5", "6", "8"),
    "nth": ("third", "fourth", "fifth", "tenth", "hundredth"),
    "percent": ("12", "37", "48", "63", "88", "97", "99"),
    "version": ("3.2", "4.0", "4.1.2", "5.0", "5.3", "2.19"),
    "week": ("14", "23", "31", "36", "44", "50"),
    "number": ("2031", "10422", "0087", "INV-311", "A-7754", "55120", "2026-104"),
    "money": (
        "£9.90",
        "£14",
        "£47.50",
        "$12",
        "$29",
        "$120",
        "€18,50",
        "€36",
        "€7,99",
        "240 kr",
        "$64.20",
        "£310",
    ),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "the 15th", "the end of the month"),
    "month": ("January", "March", "April", "June", "August", "September", "November"),
    "when": (
        "yesterday",
        "this morning",
        "last night",
        "Tuesday",
        "the weekend",
        "8 a.m.",
        "lunch",
        "last week",
        "the last update",
    ),
    "ago": (
        "yesterday",
        "this morning",
        "last week",
        "on Tuesday",
        "two days ago",
        "at the weekend",
        "last month",
    ),
    "file": (
        '"Résumé café.docx"',
        '"2026 budget.xlsx"',
        '"kids/summer"',
        '"Müller_offer.pdf"',
        '"thesis final FINAL.doc"',
        '"photos/2019"',
    ),
    "device": (
        "my phone",
        "an old iPad",
        "a Windows laptop",
        "my Mac",
        "the till",
        "an Android tablet",
        "the office PC",
        "a Chromebook",
    ),
    "browser": ("Firefox", "Safari", "Chrome", "Edge", "the phone's browser"),
    "mate": (
        "my colleague",
        "our trainee",
        "the night manager",
        "my business partner",
        "our head of kitchen",
        "the new girl at reception",
        "my husband",
        "our treasurer",
    ),
    "error": (
        "something went wrong",
        "Error 500",
        "error code 0x80",
        "session expired",
        "not allowed",
        "unexpected response",
        "E-417",
        "try again later",
        "bad gateway",
    ),
    "sign": (
        "K.",
        "R. from the front desk",
        "the office",
        "M.",
        "J. (night shift)",
        "B.",
        "the caretaker",
        "T. & team",
    ),
}

SHORTHAND = (  # (pattern, what hurried people type)
    (r"\bplease\b", "pls"),
    (r"\byou\b", "u"),
    (r"\bare\b", "r"),
    (r"\bbecause\b", "bc"),
    (r"\bthanks\b", "thx"),
    (r"\bwithout\b", "w/o"),
    (r"\bpeople\b", "ppl"),
    (r"\bmessages\b", "msgs"),
    (r"\bpassword\b", "pw"),
    (r"\band\b", "&"),
)


@dataclass(frozen=True)
class Ticket:
    """One message, the right answer to it and the one the labeller gave (`category`, `priority`, `product`)."""

    message: str
    truth: Mapping[str, str]
    label: Mapping[str, str]
    mentioned: str | None  # another product named in the message

    @property
    def mislabelled(self) -> bool:
        return dict(self.truth) != dict(self.label)


class Writer:
    """Draws from the grammar with one generator; `random()` is the only method of it that is used."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - examples, not secrets

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self._random() * len(options))]

    def weighted(self, shares: Mapping[str, float]) -> str:
        point = self._random() * sum(shares.values())
        for name, share in shares.items():
            point -= share
            if point < 0:
                return name
        return name

    def spin(self, text: str) -> str:
        """Choose among the alternatives in square brackets, innermost first."""
        while found := re.search(r"\[([^\[\]]*)\]", text):
            text = text[: found.start()] + self.pick(found[1].split("|")) + text[found.end() :]
        return text

    def fill(self, text: str, **named: str) -> str:
        """Choose alternatives, then fill the slots; a slot that occurs twice is drawn twice."""
        return re.sub(r"\{(\w+)\}", lambda slot: named.get(slot[1]) or self.pick(SLOTS[slot[1]]), self.spin(text))

    def ticket(self) -> Ticket:
        """A message with its right answer; the labeller has not seen it yet."""
        category = self.weighted({name: share for name, (share, _) in CATEGORIES.items()})
        product = self.weighted({name: share for name, (share, _) in PRODUCTS.items()})
        tone = self.weighted(TONES)
        stakes = self.weighted(STAKES_SHARES.get(category, STAKES_SHARES[""]))
        other = self.pick([name for name in PRODUCTS if name != product]) if self.chance(0.22) else None
        message = self._message(category, product, tone, stakes, other)
        level = min(max(CATEGORIES[category][1] + STAKES[stakes][0], 0), len(PRIORITIES) - 1)
        answer = {"category": category, "priority": PRIORITIES[level], "product": product}
        return Ticket(message, answer, answer, other)

    def _scene(self, category: str, product: str) -> str:
        named = self.chance(0.72)
        if self.chance(0.16):
            return self.fill(self.pick(ANYWHERE[category]), N=product)
        template = self.pick(SCENES[category][product])
        words = product if named else self.spin(self.pick(PRODUCTS[product][1]))
        scene = self.fill(template, P=words)
        if "{P}" not in template and named:
            scene = self.pick(
                (
                    f"{product}: {scene}",
                    f"{scene} ({product})",
                    f"in {product}, {scene}",
                    f"{scene}, in {product}",
                )
            )
        return scene

    def _message(self, category: str, product: str, tone: str, stakes: str, other: str | None) -> str:
        scene = self._scene(category, product)
        question = bool(QUESTIONS.match(scene.removeprefix(f"{product}: ")))
        leads = LEADS[tone]
        if tone not in ("terse", "angry") and (question or REQUESTS.match(scene)):
            leads = QUESTION_LEADS if question else REQUEST_LEADS
        if not scene.startswith(f"{product}:"):
            scene = self.fill(self.pick(leads)) + scene
        core = (
            scene[0].upper()
            + scene[1:]
            + ("?" if question else "!" if tone == "angry" and self.chance(0.4) else "" if scene.endswith(".") else ".")
        )
        long = tone in ("rambling", "polite") or self.chance(0.3)
        chance = {"terse": 0.12, "rambling": 0.8}.get(tone, 0.45 if long else 0.28)
        before = [self.fill(self.pick(SITUATIONS))] if self.chance(chance) else []
        after = [self.fill(self.pick(TRIED[category]))] if category in TRIED and self.chance(chance) else []
        after += [self.fill(self.pick(ABOUT[category]))] if self.chance(chance) else []
        after += [self.fill(self.pick(ASIDES), O=other)] if other else []
        _, anyone, not_working = STAKES[stakes]
        broken = category in NOT_WORKING and self.chance(0.6)
        pressure = self.fill(self.pick(not_working if broken else anyone))
        if pressure and self.chance(0.25):
            before.insert(0, pressure)
        elif pressure:
            after.insert(int(self._random() * (len(after) + 1)), pressure)
        opening = self.fill(self.pick(OPENINGS[tone]))
        closing = self.fill(self.pick(CLOSINGS[tone]))
        return self._keyboard(self._layout(opening, [*before, core, *after], closing), tone)

    def _layout(self, opening: str, sentences: Sequence[str], closing: str) -> str:
        """A mail with blank lines, or one run of text as in a chat window."""
        sentences = [sentence[0].upper() + sentence[1:] for sentence in sentences]
        gap = "\n\n" if len(sentences) > 2 and self.chance(0.45) else " "
        if opening.endswith(",") and gap == " " and self.chance(0.6):
            first, _, rest = sentences[0].partition(" ")
            if first in LOWER_AFTER_COMMA:
                sentences[0] = f"{first.lower()} {rest}"
        return gap.join(part for part in (opening, " ".join(sentences), closing) if part)

    def _keyboard(self, text: str, tone: str) -> str:
        """What the fingers make of it: small letters, shorthand, slips; product names mostly survive."""
        if tone == "terse" and self.chance(0.6):
            text = text.lower().rstrip(".")
            for pattern, short in SHORTHAND:
                if self.chance(0.35):
                    text = re.sub(pattern, short, text)
        if tone == "angry" and self.chance(0.3):
            text = text.upper()
        if self.chance(0.18):
            text = text.replace("'", "" if self.chance(0.5) else "’")
        if self.chance(0.24):
            text = re.sub(r"[A-Za-z]{5,}", lambda word: self._slip(word[0]) if self.chance(0.07) else word[0], text)
        return text

    def _slip(self, word: str) -> str:
        if word.capitalize() in PRODUCTS and self.chance(0.7):
            return word
        place = 1 + int(self._random() * (len(word) - 2))
        swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        return self.pick(
            (swapped, word[:place] + word[place + 1 :], word[:place] + word[place] * 2 + word[place + 1 :])
        )

    def mislabel(self, ticket: Ticket) -> Ticket:
        """The same message with one field answered as a person in a hurry would."""
        field = self.weighted({"category": 0.45, "priority": 0.4, "product": 0.15 if ticket.mentioned else 0.0})
        truth = ticket.truth
        if field == "product" and ticket.mentioned:
            wrong = ticket.mentioned
        elif field == "priority":
            level = PRIORITIES.index(truth["priority"])
            wrong = PRIORITIES[self.pick([near for near in (level - 1, level + 1) if 0 <= near < len(PRIORITIES)])]
        else:
            wrong = self.pick(CONFUSED_WITH[truth["category"]])
        return replace(ticket, label={**truth, field: wrong})


def make_tickets(examples: int = EXAMPLES, seed: int = SEED, noise: float = NOISE) -> list[Ticket]:
    """`examples` tickets with different messages, of which the share `noise` (0 to 1) carries a wrong label."""
    writer = Writer(seed)
    tickets: list[Ticket] = []
    seen: set[str] = set()
    while len(tickets) < examples:
        ticket = writer.ticket()
        if (key := ticket.message.casefold()) not in seen:
            seen.add(key)
            tickets.append(ticket)
    keys = [writer._random() for _ in tickets]
    wrong = set(sorted(range(examples), key=keys.__getitem__)[: round(noise * examples)])
    return [writer.mislabel(ticket) if at in wrong else ticket for at, ticket in enumerate(tickets)]


def to_line(ticket: Ticket) -> str:
    """One line of the training file, with its line end."""
    answer = json.dumps(ticket.label, separators=(",", ":"))
    turns = (("system", SYSTEM), ("user", ticket.message), ("assistant", answer))
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages}, ensure_ascii=False) + "\n"


def main() -> None:
    path = Path(__file__).with_name("support_tickets.jsonl")
    path.write_bytes("".join(map(to_line, make_tickets())).encode())
    print(f"{path.name}: {EXAMPLES} examples, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
