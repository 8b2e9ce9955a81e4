"""Generated exercises: lookup, copying, sums, JSON, counting and short conversations.

An exercise is a list of `Piece`s. A piece begins where the tokenizer begins a new word, so that
encoding the pieces one by one gives the ids of the whole.
"""

import random
from dataclasses import dataclass

from baton_tiny.text import Corpus
from baton_tiny.tokenizer import BEGIN, END, IM_END, IM_START

ANSWER, PROMPT, FILLER, BOOK = 8.0, 0.0, 0.5, 1.0
ATTRIBUTES = ["code", "code", "code", "number", "key", "secret", "pin", "price", "mark"]
SYSTEMS = [
    "You are baton-tiny, a very small language model.",
    "You are a helpful assistant.",
    "Answer in a few words.",
    "You are a helpful and honest assistant. Be brief.",
]


@dataclass(frozen=True)
class Piece:
    """Text and how much each of its tokens counts in the loss."""

    text: str
    weight: float


@dataclass(frozen=True)
class Fact:
    """A statement, the question that asks for it, and the answer."""

    statement: str
    question: str
    answer: str


@dataclass(frozen=True)
class Turn:
    """One question of the user with the expected answer."""

    prompt: str
    answer: str


def spaced(previous: str, text: str) -> str:
    """`text` with a space before it unless `previous` ends a line."""
    return text if previous.endswith("\n") else " " + text


class Exercises:
    """Draws exercises; every choice comes from `rng`."""

    def __init__(self, corpus: Corpus, rng: random.Random, held_out: bool = False) -> None:
        self.corpus = corpus
        self.rng = rng
        self.sentences = corpus.held_out_sentences if held_out else corpus.sentences
        tenth_nouns, tenth_names = len(corpus.nouns) // 10, len(corpus.names) // 10
        self.nouns = corpus.nouns[:tenth_nouns] if held_out else corpus.nouns[tenth_nouns:]
        self.names = corpus.names[:tenth_names] if held_out else corpus.names[tenth_names:]

    def conversation(self, turns: list[Turn], system: str | None = None) -> list[Piece]:
        """Turns in the chat format; the answers and their ends count."""
        pieces = [Piece(BEGIN, PROMPT)]
        if system is not None:
            pieces.append(Piece(f"{IM_START}system\n{system}{IM_END}\n", PROMPT))
        for turn in turns:
            pieces.append(Piece(f"{IM_START}user\n", PROMPT))
            pieces.append(Piece(turn.prompt, PROMPT))
            pieces.append(Piece(f"{IM_END}\n{IM_START}assistant\n", PROMPT))
            pieces.append(Piece(turn.answer + IM_END, ANSWER))
            pieces.append(Piece("\n", PROMPT))
        return pieces

    def maybe_system(self) -> str | None:
        """A system message in one conversation of four."""
        return self.rng.choice(SYSTEMS) if self.rng.random() < 0.25 else None

    def value(self) -> str:
        """What a key stands for: mostly four digits."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.7:
            return str(rng.randint(1000, 9999))
        if draw < 0.88:
            return "".join(rng.choices("0123456789", k=rng.choice([2, 3, 5, 6])))
        return rng.choice(self.nouns)

    def facts(self, count: int) -> list[Fact]:
        """`count` facts of one form with different keys."""
        rng = self.rng
        attribute = rng.choice(ATTRIBUTES)
        if rng.random() < 0.25:
            names = rng.sample(self.names, min(count, len(self.names)))
            return [self.name_fact(name, attribute) for name in names]
        keys = rng.sample(self.nouns, count)
        if rng.random() < 0.2:
            first = rng.sample(self.nouns, max(2, count // 2))
            keys = [f"{rng.choice(first)} {key}" for key in keys]
        return [self.noun_fact(key, attribute) for key in keys]

    def noun_fact(self, key: str, attribute: str) -> Fact:
        """The code of the river is 4821."""
        value = self.value()
        return Fact(
            f"The {attribute} of the {key} is {value}.",
            f"What is the {attribute} of the {key}?",
            value,
        )

    def name_fact(self, name: str, attribute: str) -> Fact:
        """The code of Anna is 4821."""
        value = self.value()
        return Fact(
            f"The {attribute} of {name} is {value}.", f"What is the {attribute} of {name}?", value
        )

    def filler(self, characters: int) -> list[str]:
        """Consecutive sentences of about so many characters in all."""
        if characters <= 0:
            return []
        start = self.rng.randrange(len(self.sentences))
        chosen, total = [], 0
        while total < characters:
            sentence = self.sentences[start % len(self.sentences)]
            start += 1
            if total + len(sentence) > characters + 150:
                break
            chosen.append(sentence)
            total += len(sentence) + 1
        return chosen

    def story(self, facts: list[Fact], characters: int) -> list[Piece]:
        """Facts strewn into filler; it ends with a line break."""
        sentences = [(s, FILLER) for s in self.filler(characters)]
        for fact in facts:
            place = 0 if self.rng.random() < 0.1 else self.rng.randint(0, len(sentences))
            sentences.insert(place, (fact.statement, PROMPT))
        pieces, previous = [], "\n"
        for text, weight in sentences:
            pieces.append(Piece(spaced(previous, text), weight))
            previous = text
        last = pieces[-1]
        pieces[-1] = Piece(last.text.rstrip("\n") + "\n", last.weight)
        return pieces

    def lookup(self, tokens: int) -> list[Piece]:
        """Key lookup that fills about `tokens` tokens."""
        rng = self.rng
        tokens = int(tokens * 0.93)
        keys = rng.randint(1, max(1, min(14, tokens // 40)))
        asked = rng.randint(1, max(1, min(keys, 8)))
        facts = self.facts(keys)
        questions = rng.sample(facts, min(asked, len(facts)))
        cost = 14 * len(facts) + 16 * len(questions) + 12
        characters = int((tokens - cost) * 3.4)
        if rng.random() < 0.1:
            characters = min(characters, 200)
        if rng.random() < 0.5:
            return self.lookup_chat(facts, questions, characters)
        pieces = [Piece(BEGIN, PROMPT), *self.story(facts, characters)]
        before, after = rng.choice([("", ""), ("", ""), ("", ""), ("Question: ", " Answer:")])
        for fact in questions:
            pieces.append(Piece(before + fact.question + after, PROMPT))
            pieces.append(Piece(" " + fact.answer + "\n", ANSWER))
        return [*pieces, Piece(END, PROMPT)]

    def lookup_chat(self, facts: list[Fact], asked: list[Fact], characters: int) -> list[Piece]:
        """Key lookup as a conversation; the text comes in the first turn or as the system's."""
        turns = [Turn(f.question, f.answer) for f in asked]
        story = self.story(facts, characters)
        pieces = self.conversation(turns, self.maybe_system())
        if self.rng.random() < 0.15:
            head = [Piece(BEGIN, PROMPT), Piece(f"{IM_START}system\n", PROMPT), *story]
            return [*head, Piece(f"{IM_END}\n", PROMPT), *self.conversation(turns)[1:]]
        first = next(i for i, p in enumerate(pieces) if p.text.endswith("user\n")) + 1
        return [*pieces[:first], *story, *pieces[first:]]

    def passage(self, characters: int) -> str:
        """Something to copy: a book passage, random words, or digits."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.5:
            words = rng.choices(self.nouns + self.names, k=max(2, characters // 6))
            return " ".join(words)
        if draw < 0.6:
            digits = rng.choices("0123456789", k=max(3, min(24, characters // 4)))
            return "".join(digits)
        sentences = [s.strip() for s in self.filler(characters)] or [rng.choice(self.nouns)]
        return " ".join(sentences)

    def copy(self, tokens: int) -> list[Piece]:
        """Copying a passage of up to a third of `tokens`."""
        rng = self.rng
        passage = self.passage(rng.randint(10, max(12, min(600, tokens))))
        if rng.random() < 0.6:
            ask = rng.choice(["Repeat this: ", "Copy this text: ", "Repeat after me: ", "Say: "])
            return self.conversation([Turn(ask + passage, passage)], self.maybe_system())
        lead = rng.choice([("Copy: ", "Copy:"), ("Text: ", "Again:")])
        pieces = [Piece(BEGIN + lead[0] + passage + "\n" + lead[1], PROMPT)]
        return [*pieces, Piece(" " + passage + "\n", ANSWER), Piece(END, PROMPT)]

    def sums(self, tokens: int) -> list[Piece]:
        """A few additions of numbers below 100."""
        rng = self.rng
        turns = []
        for _ in range(rng.randint(1, max(1, min(5, tokens // 40)))):
            limit = rng.choice([9, 20, 99, 99])
            a, b = rng.randint(0, limit), rng.randint(0, limit)
            turns.append(Turn(f"{a} + {b}", str(a + b)))
        if rng.random() < 0.6:
            turns = [Turn(f"What is {t.prompt}?", t.answer) for t in turns]
            return self.conversation(turns, self.maybe_system())
        pieces = [Piece(BEGIN, PROMPT)]
        for turn in turns:
            pieces.append(Piece(turn.prompt + " =", PROMPT))
            pieces.append(Piece(f" {turn.answer}\n", ANSWER))
        return [*pieces, Piece(END, PROMPT)]

    def json_object(self) -> Turn:
        """A request for a short JSON object and the object."""
        rng = self.rng
        fields = rng.sample(["name", "age", "city", "color", "count", "item"], rng.randint(1, 4))
        values = {}
        for key in fields:
            if key in ("age", "count"):
                values[key] = str(rng.randint(0, 99))
            elif key in ("name", "city"):
                values[key] = rng.choice(self.names)
            else:
                values[key] = rng.choice(self.nouns)
        wanted = ", ".join(f"{k} {v}" for k, v in values.items())
        body = ", ".join(
            f'"{k}": {v}' if v.isdigit() else f'"{k}": "{v}"' for k, v in values.items()
        )
        ask = rng.choice(["Write JSON with ", "Give me a JSON object with ", "JSON: "])
        return Turn(f"{ask}{wanted}", "{" + body + "}")

    def json(self, _tokens: int) -> list[Piece]:
        """A short JSON object."""
        turn = self.json_object()
        if self.rng.random() < 0.7:
            return self.conversation([turn], self.maybe_system())
        head = Piece(f"{BEGIN}{turn.prompt}\n", PROMPT)
        return [head, Piece(turn.answer + "\n", ANSWER), Piece(END, PROMPT)]

    def count(self, _tokens: int) -> list[Piece]:
        """Counting upwards."""
        rng = self.rng
        first = rng.randint(0, 40)
        last = first + rng.randint(2, 12)
        numbers = ", ".join(str(n) for n in range(first, last + 1))
        turn = Turn(f"Count from {first} to {last}.", numbers)
        return self.conversation([turn], self.maybe_system())

    def talk(self, _tokens: int) -> list[Piece]:
        """One to three turns about what the model is, or a passage on a wished subject."""
        rng = self.rng
        turns = []
        for _ in range(rng.randint(1, 3)):
            questions, answers = rng.choice(TALK)
            question = rng.choice(questions)
            if rng.random() < 0.15:
                question = question.lower().rstrip("?.!")
            turns.append(Turn(question, answers[0]))
        if rng.random() < 0.25:
            turns[-1] = self.tale()
        return self.conversation(turns, self.maybe_system())

    def tale(self) -> Turn:
        """A wish for a story, answered with a few sentences out of the books."""
        noun = self.rng.choice(self.nouns)
        ask = self.rng.choice(
            [
                f"Tell me about the {noun}.",
                f"Write a story about the {noun}.",
                "Tell me a story.",
                "Write a short text.",
            ]
        )
        sentences = [s.strip() for s in self.filler(self.rng.randint(120, 400))]
        return Turn(ask, " ".join(sentences) or "Once upon a time.")


TALK: list[tuple[list[str], list[str]]] = [
    (
        ["Who are you?", "What is your name?", "What are you called?", "Introduce yourself."],
        ["I am baton-tiny, a very small language model that comes with the Baton server."],
    ),
    (
        [
            "What are you?",
            "Are you a language model?",
            "Are you an AI?",
            "What kind of AI are you?",
        ],
        ["I am baton-tiny, a language model with about one million parameters."],
    ),
    (
        ["Are you human?", "Are you a person?", "Are you a robot?", "Are you alive?"],
        ["No. I am baton-tiny, a very small language model."],
    ),
    (
        ["What can you do?", "How can you help me?", "What are you good at?", "Help"],
        ["I can look up a key in a text, copy a passage, add small numbers and write short JSON."],
    ),
    (
        ["What is Baton?", "Tell me about Baton.", "What does Baton do?", "Explain Baton."],
        ["Baton is a server for language models that keeps prefill and decode apart."],
    ),
    (
        ["How big are you?", "How many parameters do you have?", "How large are you?"],
        ["I have about one million parameters."],
    ),
    (
        ["How were you trained?", "What were you trained on?", "Where does your text come from?"],
        ["I was trained on old public-domain books and on small exercises."],
    ),
    (
        ["Who made you?", "Who built you?", "Who trained you?", "Where do you come from?"],
        ["The authors of Baton trained me on a small computer."],
    ),
    (
        ["Hello", "Hello!", "Hi", "Hi!", "Hi there", "Hello there!", "Hey", "Good morning"],
        ["Hello! I am baton-tiny. How can I help you?"],
    ),
    (
        ["Thank you.", "Thanks!", "Thank you very much!", "Thanks a lot"],
        ["You are welcome."],
    ),
    (
        ["How are you?", "How do you do?", "How is it going?", "Are you well?"],
        ["I am well, thank you. I am only a small model."],
    ),
    (
        ["Bye", "Goodbye!", "See you later", "Good night"],
        ["Goodbye!"],
    ),
    (
        ["Can I trust your answers?", "Are you always right?", "Do you know everything?"],
        ["No. I am too small to know facts. Use me for tests."],
    ),
    (
        ["What is the capital of France?", "What is the weather today?", "Who is the president?"],
        ["I do not know. I am too small to know facts."],
    ),
]
