import { confidenceOf, secondOf } from "./confidence";
import { isKnown, KOREAN_NAMES } from "./korean-names";
import type { Language } from "./language";

function name(label: string): string {
  return isKnown(label) ? (KOREAN_NAMES[label] ?? label) : label;
}

/** Whether the last syllable closes with a consonant, which decides between 이네요 and 네요. */
function endsWithConsonant(word: string): boolean {
  const offset = (word.codePointAt(word.length - 1) ?? 0) - 0xac00;
  return offset >= 0 && offset < 11_172 && offset % 28 !== 0;
}

export const KOREAN: Language = {
  tag: "ko",
  title: "Inkling: 그리면 맞혀요",
  description: "그림을 그리는 동안 작은 신경망이 무엇인지 맞혀요.",
  pad: "그림판이에요. 마우스나 펜, 손가락으로 그려 보세요.",
  guesses: "추측",
  languages: "언어",
  modes: "모드",
  draw: "그리기",
  play: "게임",
  teach: "가르치기",
  undo: "되돌리기",
  redo: "다시 실행",
  clear: "지우기",
  anotherIdea: "다른 제안",
  tryAgain: "다시 시도하기",
  renewed: "페이지의 이 부분을 불러오지 못했어요. 새 버전이 나왔을지도 몰라요. 새로 고쳐 보세요. 그림은 그대로 남아요.",
  reload: "새로 고침",
  loading: "연필을 깎고 있어요…",
  invitation: "그려 보세요, 제가 맞힐게요.",
  speechless: "지금은 맞힐 수 없어요.",
  privacy: "그림은 이 기기 밖으로 나가지 않아요.",
  replay: "다시 보기",
  copyLink: "링크 복사",
  lookInside: "어떻게 알아봤을까?",
  saveAs: "저장",
  open: "열기…",
  nextDrawing: "다음 그림",
  dropHere: "여기에 그림을 놓아 주세요.",
  linkCopied: "링크를 복사했어요. 그림은 서버가 아니라 링크 안에 들어 있어요.",
  linkInAddressBar: "링크가 주소창에 있어요. 그림은 서버가 아니라 링크 안에 들어 있어요.",
  linkBroken: "이 링크에서는 그림을 읽을 수 없어요.",
  fileBroken: "여기에서 그림을 찾지 못했어요. 이미지(PNG, JPEG, SVG)와 Quick, Draw! ndjson을 읽을 수 있어요.",
  opened: (i, n, label) =>
    (n > 1 ? `그림 ${n}개 중 ${i}번째` : "그림을 열었어요") + (label === undefined ? "." : `. 제시어: ${name(label)}.`),
  traced: "이미지의 선을 따라 그렸어요.",
  saved: (file) => `${file} 파일로 저장했어요.`,
  playOffer: "여섯 판 게임하기",
  ask: "이번 제시어",
  begin: "시작하기",
  skip: "건너뛰기",
  ready: "준비되면 시작해 주세요.",
  again: "한 판 더",
  drawFreely: "자유롭게 그리기",
  challenge: "친구에게 도전장 보내기",
  challengeCopied:
    "링크를 복사했어요. 링크를 열면 이 그림들과 겨루게 돼요. 그림은 서버가 아니라 링크 안에 들어 있어요.",
  summaryHint: "그림을 고르면 제가 무엇으로 보았는지 알려 드려요.",
  nothingDrawn: "그림 없음",
  whatIThought: "제가 떠올린 것",
  similar: "제가 자주 헷갈리는 것",
  close: "닫기",
  reasonsTitle: "무엇을 보고 그렇게 생각했을까?",
  reasonsHint: "빨간 선 때문에 더 그렇게 보였고, 점선 때문에 덜 그렇게 보였어요.",
  reasons: (label, nFor, nAgainst) => `${name(label)}: 그렇게 보인 곳 ${nFor}군데, 아니라고 본 곳 ${nAgainst}군데`,
  round: (i, n) => `그림 ${i} / ${n}`,
  limit: (seconds) => `${seconds}초 안에 그려 주세요`,
  secondsLeft: (seconds) => `${seconds}초 남았어요.`,
  task: name,
  sees(predictions) {
    const [best, second] = [predictions[0], secondOf(predictions)];
    if (!best) return "…";
    const first = name(best.label);
    return second ? `${first}? 아니면 ${name(second.label)}일까요…` : `${first}처럼 보여요…`;
  },
  recognised: (label) => `아, ${name(label)}${endsWithConsonant(name(label)) ? "이" : ""}네요!`,
  missed: (label, best) =>
    best === undefined || best === label
      ? `${name(label)}${endsWithConsonant(name(label)) ? "이라고" : "라고"} 확신하지 못했어요.`
      : `저는 ${name(best)}인 줄 알았어요.`,
  score(n, of) {
    if (of === 1) return n === 1 ? "그림을 알아봤어요!" : "그림을 못 알아봤어요. 제 눈이 어두운 탓일지도 몰라요.";
    if (n === of) return `그림 ${of}장을 모두 알아봤어요!`;
    if (n === 0) return `그림 ${of}장을 하나도 못 알아봤어요. 제 눈이 어두운 탓일지도 몰라요.`;
    return `그림 ${of}장 가운데 ${n}장을 알아봤어요.`;
  },
  bestScore: (n, of) => `최고 기록: ${of}장 중 ${n}장.`,
  recognisedAfter: (seconds) => `${seconds}초 만에`,
  thought: (label) => `제 눈에는 ${name(label)}`,
  almost: (probability) => `아깝게 ${probability}`,
  todaysSix: "오늘의 여섯 그림",
  orToday: "모두에게 똑같은 오늘의 여섯 그림 하기",
  orChance: "무작위로 여섯 판 하기",
  orOthers: "다른 여섯 판으로 새로 시작하기",
  date: (day) => new Intl.DateTimeFormat("ko", { day: "numeric", month: "long" }).format(new Date(`${day}T12:00:00`)),
  dayTitle: (day) => `${KOREAN.date(day)}의 여섯 그림.`,
  dayAgain: "이미 한 판이라 기록에는 남지 않아요.",
  streak: (n, longest) => `${n}일 연속${longest > n ? `(최장 ${longest}일)` : ""}.`,
  bestDay: (n, of, seconds) => `가장 잘한 날: ${of}장 중 ${n}장, ${seconds}초.`,
  share: "공유하기",
  sharedLine: (n, of, seconds, streak) =>
    `${of}장 중 ${n}장, 모두 ${seconds}초${streak > 1 ? `, ${streak}일 연속` : ""}`,
  sharedByHand: (file) => `그림을 ${file} 파일로 저장하고, 함께 보낼 글을 복사했어요.`,
  raceTitle: "친구와 겨루기.",
  friend: "친구",
  notSure: "확신하지 못했어요",
  raceBroken: "이 링크에서는 겨루기를 읽을 수 없어요.",
  raceResult(mine, theirs) {
    if (mine + theirs === 0) return "아무도 먼저 맞히게 하지 못했어요.";
    const score = `먼저 맞힌 그림: 나 ${mine}장, 친구 ${theirs}장.`;
    if (mine === theirs) return `비겼어요! ${score}`;
    return mine > theirs ? `이겼어요! ${score}` : `친구가 이겼어요. ${score}`;
  },
  book: "도감",
  yourBook: "내 도감",
  bookHint: "제가 알아본 것마다 가장 잘 그린 그림이 한 자리씩 채워져요.",
  fillBook: "빈자리 채우러 가기",
  search: "찾기",
  emptyPlace: "(빈자리)",
  bookBroken: "이 파일에는 도감 그림이 없어요. 여기에서 저장한 파일이 필요해요.",
  bookUnsafe: "저장 공간이 모자라면 브라우저가 도감을 지울 수도 있어요. 파일로 저장하면 남길 수 있어요.",
  bookTitle: (n, of) => `내 도감: ${of}가지 중 ${n}가지`,
  bookOpened: (nRead, nUnread) =>
    `파일에서 그림 ${nRead}장을 읽었어요.${nUnread === 0 ? "" : ` ${nUnread}줄은 읽을 수 없었어요.`}`,
  found: (n) => (n === 0 ? "그런 이름은 없어요." : `${n}자리`),
  newInBook: (label) => `도감에 새로 들어갔어요: ${name(label)}.`,
  voice: "목소리와 소리",
  insideTitle: "신경망이 보는 것",
  stepsTitle: "한 획 한 획",
  chartTitle: "추측이 바뀐 과정",
  sightTitle: "그린 선, 그리고 읽은 선",
  confusionsTitle: "자주 헷갈리는 것",
  timingTitle: "걸리는 시간",
  looking: "들여다보고 있어요…",
  chart: (nStrokes, last, probability) =>
    `획 ${nStrokes}개를 긋는 동안 앞선 추측들의 확률이에요. 마지막에는 ${last} ${probability}.`,
  stroke: (i) => `${i}획`,
  raw: (nPoints, nStrokes) => `그린 대로: 점 ${nPoints}개, 획 ${nStrokes}개.`,
  simplified: (nPoints) => `읽는 대로: 점 ${nPoints}개. 신경망은 이것만 봐요.`,
  confusions: (label, nDrawings) =>
    `다른 사람이 그린 ${name(label)} 그림을 보면 이런 것도 떠올라요. 배운 적 없는 그림(전체 범주에서 ${nDrawings}장)으로 잰 평균 확률이에요.`,
  noConfusions: (label) => `다른 사람이 그린 ${name(label)} 그림을 보면 다른 것은 거의 떠오르지 않아요.`,
  timing: (median, slowest, n) =>
    `이 기기에서 추측 한 번에 ${median}ms가 걸려요(최근 ${n}번의 중앙값, 가장 느릴 때 ${slowest}ms).`,
  teachThis: "이 그림 가르치기",
  lessonPromise: "345가지를 알아요. 하나 더 가르쳐 주세요.",
  lessonAsk: "무엇이라고 부르나요?",
  lessonLimit: "그다음 그림을 세 장 이상 보여 주세요.",
  lessonBegin: "시작하기",
  keepIt: "기억하기",
  done: "마치기",
  willLearn: "무엇을 배울까요?",
  learnt: "이제 그려서 시험해 보세요.",
  showMe(label, n, enough) {
    if (n === 0) return `‘${name(label)}’, 그려서 보여 주세요.`;
    if (n === 1) return "하나 더 보여 주세요.";
    return n < enough ? "한 번만 더요." : "이제 알겠어요. 더 보여 주시면 더 잘 알아볼게요.";
  },
  shown: (n, enough) => (n < enough ? `그림 ${enough}장 중 ${n}장` : `그림 ${n}장`),
  drawings: (_n, text) => `그림 ${text}장`,
  taughtTitle: "가르쳐 주신 것",
  more: "더 보여 주기",
  forget: "잊기",
  bringBack: "되살리기",
  forgot: (label) => `‘${name(label)}’, 잊었어요.`,
  saveCategories: "파일로 저장",
  openCategories: "파일 열기…",
  categoriesOpened: (n, nUnread) =>
    `파일에서 ${n}가지를 배웠어요.${nUnread === 0 ? "" : ` 그림 ${nUnread}장은 읽을 수 없었어요.`}`,
  newestLearnt: "그림이 많아서 저마다 최근 그림으로만 배워요. 그림은 모두 남아 있어요.",
  categoriesBroken: "이 파일에는 배울 것이 없어요. 여기에서 저장한 파일이 필요해요.",
  notKept: "브라우저 저장 공간이 가득 찼거나 막혀 있어서 페이지를 닫으면 잊어요. 파일로 저장하면 남길 수 있어요.",
  amongTitle: "추측 범위",
  amongAll: "모두",
  amongOwn: "가르친 것만",
  ownConfusions: "직접 가르쳐 주신 것이라 무엇과 헷갈리는지 아무도 재 보지 않았어요.",
  themes: "화면 모드",
  themeSystem: "시스템 설정",
  themeLight: "밝게",
  themeDark: "어둡게",
  aboutTitle: "모델에 대하여",
  modelCard: "모델 카드",
  embedTitle: "내 페이지에 넣기",
  embed:
    "그림을 알아맞히는 부분은 패키지로 되어 있고, 이 페이지에서 받을 수 있어요. 서버 없이 그리는 사람의 브라우저에서 실행돼요. 설치한 다음 획을 넘겨주세요.",
  embedMore: "이 패키지로 할 수 있는 다른 일",
  embedApi: "API 문서(영어)",
  about: (figures) => [
    "이 모델은 Google의 Quick, Draw! 게임에서 세계 곳곳의 사람들이 마우스나 손가락으로 20초 안에 그린 낙서로 배웠어요. 획의 순서와 방향, 그리고 완성된 모양을 볼 뿐, 색도 시간도 보지 않아요.",
    ...(figures
      ? [
          `배운 적 없는 그림 ${figures.n}장으로 시험했더니 첫 추측은 ${figures.top1}, 세 번째 안에는 ${figures.top3}, 다섯 번째 안에는 ${figures.top5}가 맞았어요(모든 범주의 평균).`,
        ]
      : []),
    "맞는 것이 없어도 언제나 345가지 범주 가운데 하나로 답해요. 그림을 막 시작했을 때는 대부분 틀려요. 공들인 스케치처럼 게임의 낙서와 다른 그림은 더 어려워하고, 범주나 그리는 방식에 따라 잘 알아보는 정도가 달라요.",
    "모든 계산은 이 기기에서 해요. 아무것도 보내지 않고 방문을 세지도 않아요. 이 브라우저에 남는 것은 페이지 자체와 고른 언어와 화면 모드, 기록과 도감, 가르쳐 주신 것뿐이에요. 탭을 닫을 때까지는 그리던 그림과 끝내지 않은 게임도 남아 있어요.",
  ],
  attribution: { before: "Google이 CC BY 4.0으로 공개한 ", link: "Quick, Draw! 데이터", after: "로 학습했어요." },
  obstacles: {
    unsupported:
      "이 브라우저에서는 모델을 실행할 수 없어요. SIMD를 지원하는 WebAssembly가 필요해요. 최신 Chrome, Edge, Firefox, Safari에서 열어 보세요.",
    model: "모델을 불러오지 못했어요. 그림은 계속 그릴 수 있어요. 연결을 확인하고 다시 시도해 보세요.",
    worker: "추측이 자꾸 실패해요. 그림은 그대로 남아 있어요. 다시 시도하거나 페이지를 새로 고쳐 보세요.",
  },
  name,
  label: (given) =>
    Object.keys(KOREAN_NAMES).find((label) =>
      [label.toLowerCase(), KOREAN_NAMES[label]].includes(given.toLowerCase()),
    ) ?? given,
  idea: (label) => `${name(label)}, 어때요?`,
  sentence(predictions, threshold) {
    const [best, second] = [predictions[0], secondOf(predictions)];
    if (!best) return "";
    const first = name(best.label);
    const other = second && name(second.label);
    switch (confidenceOf(best, threshold)) {
      case "certain":
        return `아, ${first}${endsWithConsonant(first) ? "이" : ""}네요!`;
      case "likely":
        return other ? `${first}처럼 보여요. 아니면 ${other}일까요?` : `${first}처럼 보여요.`;
      case "unsure":
        return other ? `글쎄요, ${first}일까요? 아니면 ${other}일까요?` : `글쎄요, ${first}일까요?`;
    }
  },
  model: (nCategories, accuracy) =>
    "작은 순환 신경망이 획을 그은 순서대로 읽어요. " +
    (accuracy
      ? `${nCategories}가지를 알고, 시험용 그림의 ${accuracy}를 첫 추측에 맞혀요.`
      : `${nCategories}가지를 알아요.`),
};
