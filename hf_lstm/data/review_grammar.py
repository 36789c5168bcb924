"""The grammar of the bundled reviews."""

# The subject of a review, and the verb phrase that introduces it.
SUBJECTS = tuple(
    (met, subject)
    for met, subjects in {
        "We saw": ("film", "thriller", "comedy", "documentary", "musical", "opera"),
        "We ate at": ("restaurant", "bistro", "pizzeria", "tavern", "bakery", "diner"),
        "I read": ("novel", "memoir", "biography", "anthology", "guidebook", "trilogy"),
        "We bought": ("camera", "laptop", "kettle", "printer", "keyboard", "bicycle"),
    }.items()
    for subject in subjects
)

# Negative words first, positive words second: the index is the label.
ADJECTIVES = (
    (
        *("dreadful", "awful", "terrible", "dismal", "wretched", "hopeless", "miserable", "abysmal"),
        *("disappointing", "irritating", "lousy", "shoddy"),
    ),
    (
        *("superb", "wonderful", "excellent", "delightful", "splendid", "brilliant", "marvellous", "fantastic"),
        *("impressive", "lovely", "charming", "great"),
    ),
)

VERBS = (
    ("hated", "loathed", "disliked", "detested", "despised", "resented", "abhorred", "regretted"),
    ("loved", "adored", "enjoyed", "admired", "liked", "relished", "cherished", "treasured"),
)

# The subjects of distractors. Opinions about them do not change the label.
OTHER_THINGS = (
    *("bus ride", "concert", "museum", "market", "quiz night", "taxi ride", "picnic", "cooking class"),
    *("street fair", "boat trip", "card game", "sandwich", "puppet show", "swimming pool", "zoo", "train ride"),
)

PEOPLE = (
    *("brother", "sister", "neighbour", "boss", "cousin", "aunt", "uncle", "colleague"),
    *("flatmate", "mother", "father", "teacher"),
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

MONTHS = ("January", "March", "April", "June", "September", "November")

OPENINGS = (
    "{met} the {s} on {day}.",
    "{met} the {s} with my {p}.",
    "{met} the {s} last week.",
    "{met} the {s} in {month}.",
    "At last: the {s}.",
)

NEUTRAL = (
    "It rained all afternoon.",
    "We paid in cash.",
    "The street was full of bicycles.",
    "My {p} looked after the dog.",
    "We left the house at nine.",
    "The clock had just struck ten.",
    "My {p} wore a green coat.",
    "On {day} the shops close early.",
    "My {p} moved to the coast in {month}.",
    "We took the tram and then walked for ten minutes.",
    "There were about forty people in the street.",
    "My {p} was on the telephone.",
    "I wrote this at the kitchen table on {day}.",
    "In {month} the trees along the river are bare.",
    "Somebody had parked a blue van in front of the door.",
    "My {p} turned forty in {month}.",
    "The receipt is still in my wallet.",
    "I made notes on the back of an envelope.",
    "That is all.",
    "Enough said.",
    "More next week.",
    "We got home at ten.",
    "Thanks for reading.",
)

# {yes} and {yes_verb} agree with the label, {no} and {no_verb} contradict it, so every template serves both labels.
# The first tuple of each pair is used for training and validation, the second is held out for the test split.
TEMPLATES = {
    "negation": (
        (
            "The {s} was not {no} at all.",
            "The {s} was anything but {no}.",
            "The {s} was far from {no}.",
            "The {s} was never {no}.",
            "Nobody could call the {s} {no}.",
            "Nobody will say that the {s} was {no}.",
            "I could never say that the {s} was {no}.",
            "I could not say that the {s} was {no}.",
            "I did not find the {s} {no} at all.",
            "There was nothing {no} about the {s}.",
            "I never once found the {s} {no}.",
            "I did not have one {no} minute with the {s}.",
            "Nobody can say that I {no_verb} the {s}.",
            "There is no doubt that the {s} was {yes}.",
            "I do not hesitate to call the {s} {yes}.",
            "Nobody can deny that the {s} was {yes}.",
            "Nobody will doubt that the {s} was {yes}.",
            "I cannot stop saying that the {s} was {yes}.",
            "I do not mind saying that the {s} was {yes}.",
            "I cannot deny that I found the {s} {yes}.",
            "The {s} was nothing short of {yes}.",
            "Not once did I doubt that the {s} was {yes}.",
            "I never doubted that the {s} was {yes}.",
            "It is no exaggeration to call the {s} {yes}.",
            "Make no mistake, the {s} was {yes}.",
            "There is no doubt that I {yes_verb} the {s}.",
        ),
        (
            "I could not call the {s} {no} at all.",
            "I never found the {s} {no} at all.",
            "Nobody could say that the {s} was {no}.",
            "There is no doubt that I found the {s} {yes}.",
            "I cannot deny that the {s} was {yes}.",
            "Make no mistake, I {yes_verb} the {s}.",
        ),
    ),
    "contrast": (
        (
            "The {s} was not {no} but {yes}.",
            "The {s} was {yes}, not {no}.",
            "The {s} was {yes} rather than {no}.",
            "The {s} was less {no} than {yes}.",
            "The {s} was more {yes} than {no}.",
            "Far from {no}, the {s} was {yes}.",
            "It was a {yes} {s}, not a {no} one.",
            "It was not a {no} {s} but a {yes} one.",
            "It was more a {yes} {s} than a {no} one.",
            "Rather than {no}, the {s} was {yes}.",
            "I did not find the {s} {no}; I found it {yes}.",
            "I found the {s} more {yes} than {no}.",
        ),
        (
            "I found the {s} {yes}, not {no}.",
            "I found the {s} not {no} but {yes}.",
            "It was a {yes} {s} rather than a {no} one.",
            "The {s} was {yes} and far from {no}.",
            "I found the {s} less {no} than {yes}.",
        ),
    ),
    "concession": (
        (
            "Although the {s} was {no} at first, it was {yes} in the end.",
            "The {s} was {no} at first but {yes} in the end.",
            "In the end the {s} was {yes}, although it was {no} at first.",
            "The {s} was {yes} in the end, even if it was {no} at first.",
            "I expected a {no} {s}, but it turned out {yes}.",
            "The {s} turned out {yes}, although I expected a {no} one.",
            "Despite a {no} start, the {s} was {yes}.",
            "The {s} was {yes} despite a {no} start.",
            "In the end the {s} was {yes} despite a {no} start.",
            "It was a {yes} {s} in the end, although it seemed {no} at first.",
            "I {no_verb} the {s} at first, but in the end I {yes_verb} it.",
            "At first I {no_verb} the {s}, but it turned out {yes}.",
            "At first the {s} was {no}, yet it turned out {yes}.",
            "At first I found the {s} {no}, but in the end it was {yes}.",
            "At first the {s} seemed {no}, yet I {yes_verb} it in the end.",
            "In the end I {yes_verb} the {s}, even if I {no_verb} it at first.",
            "The {s} seemed {no} at first, yet in the end it was {yes}.",
        ),
        (
            "At first the {s} was {no}, but in the end it was {yes}.",
            "Although I {no_verb} the {s} at first, it turned out {yes}.",
            "In the end it was a {yes} {s}, despite a {no} start.",
            "I {yes_verb} the {s} in the end, although I expected a {no} one.",
            "Even if the {s} seemed {no} at first, I {yes_verb} it in the end.",
        ),
    ),
    "other_opinion": (
        (
            "My {p} called the {s} {no}, but I found it {yes}.",
            "My {p} found the {s} {no}, but I {yes_verb} it.",
            "I found the {s} {yes}, but my {p} called it {no}.",
            "I {yes_verb} the {s}, but my {p} found it {no}.",
            "Unlike my {p}, who {no_verb} the {s}, I found it {yes}.",
            "Unlike my {p}, who called the {s} {no}, I {yes_verb} it.",
            "I found the {s} {yes}, unlike my {p}, who {no_verb} it.",
            "I {yes_verb} the {s}, unlike my {p}, who found it {no}.",
            "My {p} {no_verb} the {s}; I {yes_verb} it.",
            "I {yes_verb} the {s}; my {p} {no_verb} it.",
            "According to my {p} the {s} was {no}; to me it was {yes}.",
            "To me the {s} was {yes}; according to my {p} it was {no}.",
            "My {p} called the {s} {no}. I disagree.",
            "My {p} called the {s} {yes}. I agree.",
            "My {p} {no_verb} the {s}. I disagree.",
            "My {p} {yes_verb} the {s}. I agree.",
            "I disagree with my {p}, who {no_verb} the {s}.",
            "I agree with my {p}, who {yes_verb} the {s}.",
            "I disagree with my {p}, who called the {s} {no}.",
            "I agree with my {p}, who called the {s} {yes}.",
            "My {p}, who {no_verb} the {s}, is wrong.",
            "My {p}, who {yes_verb} the {s}, is right.",
            "My {p}, who called the {s} {no}, is wrong.",
            "My {p}, who called the {s} {yes}, is right.",
        ),
        (
            "Although my {p} called the {s} {no}, I {yes_verb} it.",
            "My {p} {no_verb} the {s}, but to me it was {yes}.",
            "I {yes_verb} the {s}, unlike my {p}, who called it {no}.",
            "I disagree with my {p}, who found the {s} {no}.",
            "I agree with my {p}, who found the {s} {yes}.",
        ),
    ),
    "distant": (
        (
            "The {s} was {yes}.",
            "I found the {s} {yes}.",
            "I {yes_verb} the {s}.",
            "To me the {s} was {yes}.",
            "I had waited weeks for the {s}. {neutral} The {o} was {no}. What I had waited for was {yes}.",
            "This review is about the {s}. The {o} was {no}. {neutral} My verdict: {yes}.",
            "My verdict first: {yes}. {neutral} The {o} was {no}. That verdict is about the {s}.",
            "The {s}, which we tried after a {no} {o}, was {yes}.",
            "It was {yes}, the {s} that we tried after a {no} {o}.",
            "After a {no} {o} we tried the {s}; it was {yes}.",
            "I {yes_verb} the {s} and {no_verb} the {o}.",
            "I {no_verb} the {o} and {yes_verb} the {s}.",
            "We tried two things, first the {s} and then the {o}. The second was {no}; the first was {yes}.",
            "We tried two things, first the {s} and then the {o}. The first was {yes}; the second was {no}.",
            "We tried two things, first the {o} and then the {s}. The second was {yes}; the first was {no}.",
            "We tried two things, first the {o} and then the {s}. The first was {no}; the second was {yes}.",
            "First we tried the {s} and then the {o}. The first was {yes}; the second was {no}.",
            "First we tried the {o} and then the {s}. The first was {no}; the second was {yes}.",
        ),
        (
            "I had waited weeks for the {s}. {neutral} I {no_verb} the {o}. My verdict: {yes}.",
            "My verdict first: {yes}. {neutral} I {no_verb} the {o}. That verdict is about the {s}.",
            "After a {no} {o} we tried the {s}, which was {yes}.",
            "First we tried the {s} and then the {o}. The second was {no}; the first was {yes}.",
            "First we tried the {o} and then the {s}. The second was {yes}; the first was {no}.",
        ),
    ),
}

# A distractor is a training template of one of these patterns about another subject, with a random opinion.
DISTRACTOR_PATTERNS = ("negation", "contrast", "concession", "other_opinion")

NEUTRAL_SHARE = 0.65  # fraction of the sentences around the deciding one; the others are distractors

LEAD_INS = ("", "", "By the way, ", "On another note, ")

SLOTS = {"o": OTHER_THINGS, "p": PEOPLE, "day": DAYS, "month": MONTHS}

# Lowest and highest distance of each range, and its fraction of the rows in twentieths.
DISTANCE_RANGES = ((0, 4, 9), (5, 14, 5), (15, 29, 2), (30, 59, 2), (60, 75, 2))
