/** Where something can be done. */
export type Setting = 'anywhere' | 'home' | 'desk' | 'out';

/** A kind of task. `{…}` in the title stands for a word of {@link WORDS}. */
export interface Errand {
  readonly title: string;
  readonly minutes: number;
  /** What it takes out of a person: 0 (nothing) to 1 (a lot). */
  readonly effort: number;
  readonly setting: Setting;
  readonly due: 'never' | 'today' | 'days' | 'weeks';
}

type Word = readonly [string, ...string[]];
export const WORDS: Readonly<Record<string, Word>> = {
  friend: ['Mara', 'Jonas', 'Amira', 'Luca', 'Ines', 'Tom', 'Yuki', 'Leo', 'Nora', 'Samir'],
  kin: ['Mum', 'Dad', 'Grandma', 'Aunt Vera', 'my brother', 'my sister'],
  colleague: ['Petra', 'Daniel', 'Aisha', 'Marek', 'Sofia', 'Henrik'],
  topic: ['pricing', 'the onboarding', 'the autumn release', 'hiring', 'the budget', 'the new office'],
  plant: ['the fern', 'the tomatoes', 'the balcony boxes', 'the basil', 'the orchid'],
  shop: ['the market', 'the bakery', 'the pharmacy', 'the hardware store', 'the corner shop'],
  city: ['Lisbon', 'Vienna', 'Copenhagen', 'Ghent', 'Turin', 'Hamburg'],
  book: ['the library book', 'the cookbook', 'the travel guide', 'the novel from Nora'],
  dish: ['lentil soup', 'a lasagne', 'the curry', 'a big salad', 'pancakes'],
  thing: ['the bike', 'the kitchen tap', 'the desk lamp', 'the wobbly chair', 'the bedroom blind'],
};

const errand = (
  title: string,
  minutes: number,
  effort: number,
  setting: Setting,
  due: Errand['due'],
): Errand => ({ title, minutes, effort, setting, due });

export const ERRANDS: readonly [Errand, ...Errand[]] = [
  errand('Call {kin} back', 20, 0.3, 'anywhere', 'today'),
  errand('Ring {kin} for the birthday', 15, 0.2, 'anywhere', 'today'),
  errand('Write to {friend} about the weekend', 5, 0.1, 'anywhere', 'days'),
  errand('Ask {friend} for dinner', 5, 0.2, 'anywhere', 'never'),
  errand('Send {friend} the photos from {city}', 10, 0.2, 'anywhere', 'never'),
  errand('Choose a present for {friend}', 25, 0.4, 'anywhere', 'days'),
  errand('Wrap the present for {kin}', 15, 0.2, 'home', 'days'),
  errand('Write a thank-you card to {kin}', 15, 0.3, 'home', 'days'),
  errand('Return {book}', 20, 0.3, 'out', 'days'),
  errand('Pick up the parcel', 15, 0.2, 'out', 'days'),
  errand('Take back the shoes that do not fit', 30, 0.4, 'out', 'weeks'),
  errand('Buy bread at {shop}', 15, 0.2, 'out', 'today'),
  errand('Get stamps at {shop}', 10, 0.1, 'out', 'never'),
  errand('Buy a light bulb at {shop}', 15, 0.2, 'out', 'never'),
  errand('Collect the prescription from the pharmacy', 15, 0.2, 'out', 'days'),
  errand('Bring the glass to the bottle bank', 15, 0.3, 'out', 'never'),
  errand('Take the coat to the cleaner', 20, 0.3, 'out', 'weeks'),
  errand('Have a spare key cut', 20, 0.3, 'out', 'never'),
  errand('Pump up the bike tyres', 10, 0.3, 'home', 'never'),
  errand('Fix {thing}', 45, 0.7, 'home', 'weeks'),
  errand('Measure the shelf in the hall', 10, 0.2, 'home', 'never'),
  errand('Hang up the picture from {city}', 20, 0.4, 'home', 'never'),
  errand('Water {plant}', 5, 0.1, 'home', 'today'),
  errand('Repot {plant}', 30, 0.5, 'home', 'weeks'),
  errand('Put on a wash', 5, 0.1, 'home', 'today'),
  errand('Change the sheets', 15, 0.3, 'home', 'days'),
  errand('Clean the bathroom', 35, 0.7, 'home', 'days'),
  errand('Wipe out the fridge', 20, 0.5, 'home', 'never'),
  errand('Descale the kettle', 15, 0.2, 'home', 'never'),
  errand('Sort the drawer of cables', 25, 0.4, 'home', 'never'),
  errand('Take the bins out', 5, 0.1, 'home', 'today'),
  errand('Empty the dishwasher', 10, 0.2, 'home', 'today'),
  errand('Cook {dish} for tomorrow', 50, 0.5, 'home', 'today'),
  errand('Plan the meals for the week', 20, 0.3, 'anywhere', 'days'),
  errand('Order cat food', 5, 0.1, 'anywhere', 'days'),
  errand('Check the smoke alarms', 10, 0.2, 'home', 'weeks'),
  errand('Back up the laptop', 15, 0.2, 'desk', 'weeks'),
  errand('Delete old photos from the phone', 20, 0.2, 'anywhere', 'never'),
  errand('Change the e-mail password', 10, 0.3, 'anywhere', 'weeks'),
  errand('Cancel the trial subscription', 5, 0.2, 'anywhere', 'days'),
  errand('Pay the electricity bill', 10, 0.3, 'anywhere', 'days'),
  errand('Pay the rent for the parking space', 5, 0.2, 'anywhere', 'days'),
  errand('File the receipts for the tax return', 40, 0.8, 'desk', 'weeks'),
  errand('Fill in the form for the health insurance', 30, 0.7, 'desk', 'weeks'),
  errand('Scan the rental contract', 15, 0.3, 'desk', 'days'),
  errand('Renew the passport appointment', 15, 0.4, 'desk', 'weeks'),
  errand('Compare two internet contracts', 30, 0.6, 'desk', 'weeks'),
  errand('Book the dentist', 10, 0.5, 'anywhere', 'weeks'),
  errand('Book the train to {city}', 15, 0.3, 'anywhere', 'days'),
  errand('Find a room in {city}', 30, 0.4, 'anywhere', 'weeks'),
  errand('Pack for {city}', 30, 0.4, 'home', 'days'),
  errand('Make a packing list for {city}', 10, 0.2, 'anywhere', 'days'),
  errand('Renew the yoga class', 5, 0.2, 'anywhere', 'days'),
  errand('Go for a swim', 60, 0.8, 'out', 'never'),
  errand('Make an appointment for the haircut', 5, 0.2, 'anywhere', 'days'),
  errand('Give blood', 60, 0.5, 'out', 'weeks'),
  errand('Read the article that {friend} sent', 15, 0.3, 'anywhere', 'never'),
  errand('Listen to the interview about {topic}', 35, 0.2, 'anywhere', 'never'),
  errand('Write down what to ask the doctor', 10, 0.3, 'anywhere', 'days'),
  errand('Answer {colleague} about {topic}', 10, 0.3, 'desk', 'today'),
  errand('Review the draft on {topic}', 40, 0.7, 'desk', 'days'),
  errand('Prepare the slides on {topic}', 60, 0.9, 'desk', 'days'),
  errand('Write up the notes from the meeting with {colleague}', 20, 0.5, 'desk', 'today'),
  errand('Send {colleague} the figures on {topic}', 15, 0.4, 'desk', 'today'),
  errand('Ask {colleague} to swap the shift', 5, 0.3, 'desk', 'days'),
  errand('Clear the inbox down to zero', 30, 0.6, 'desk', 'never'),
  errand('Hand in the expenses', 20, 0.6, 'desk', 'weeks'),
  errand('Plan the one-to-one with {colleague}', 10, 0.3, 'desk', 'days'),
  errand('Think through {topic} without a screen', 30, 0.7, 'anywhere', 'days'),
  errand('Update the list of open questions on {topic}', 15, 0.4, 'desk', 'days'),
  errand('Learn the second verse of the song', 20, 0.5, 'home', 'never'),
  errand('Tune the guitar', 5, 0.1, 'home', 'never'),
  errand('Draft the speech for {friend}', 45, 0.8, 'anywhere', 'weeks'),
  errand('Look up opening hours of {shop}', 5, 0.1, 'anywhere', 'today'),
];

/** Second lines that some tasks have. */
export const NOTES: readonly [string, ...string[]] = [
  'Ask whether Saturday works as well.',
  'The number is on the fridge.',
  'Twenty minutes are enough for a start.',
  'Bring the old one along.',
  'Last time it took two tries.',
  'See the message from Tuesday.',
];
