import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { definePad } from "quickdraw-rnn/pad";
import { createWorkerClassifier } from "quickdraw-rnn/worker";

definePad();

function App() {
  const [classifier, setClassifier] = useState();
  const [label, setLabel] = useState("");

  useEffect(() => {
    const loading = createWorkerClassifier();
    loading.then(setClassifier);
    return () => loading.then((classifier) => classifier.dispose());
  }, []);

  return (
    <>
      <quickdraw-pad
        style={{ width: 300, height: 300 }}
        classifier={classifier}
        onguess={({ detail }) => setLabel(detail.predictions[0]?.label ?? "")}
      />
      <output>{label}</output>
    </>
  );
}

createRoot(document.querySelector("#root")).render(<App />);
