// `vinci run`: generates text from a plan, or from a model that is compiled first.
#include "runtime/serving/engine.h"
#include "runtime/support/error.h"
#include "runtime/text/detokenizer.h"
#include "runtime/weights/npy.h"
#include "tools/vinci/load.h"
#include "tools/vinci/processes.h"
#include "tools/vinci/prompts.h"
#include "tools/vinci/report.h"
#include "tools/vinci/run_clock.h"
#include "tools/vinci/sampling_options.h"
#include "tools/vinci/workload.h"

#include <chrono>
#include <fmt/ranges.h>

namespace vinci {

namespace {
struct RunArguments {
  std::string model;
  LoadFlags load;
  CompileFlags compile;
  SamplingFlags sampling;
  ClockFlags clock;
  std::optional<std::string> prompt;
  std::optional<std::string> promptIds;
  std::optional<std::string> chat;
  std::string system;
  std::string prompts;
  std::optional<int64_t> prefillChunk;
  bool ignoreEos = false;
  bool truncation = false;
  std::string logits;
  ReportFormat format = ReportFormat::Text;
};

/// A prompt on its way through the engine.
struct Job {
  Prompt prompt;
  EffectiveSampling sampling;
  bool ignoreEos = false;
};
} // namespace

static PromptRecord chatRecord(const RunArguments &arguments) {
  PromptRecord record;
  record.kind = PromptRecord::Kind::Chat;
  record.messages = nlohmann::ordered_json::array();
  if (!arguments.system.empty())
    record.messages.push_back({{"role", "system"}, {"content", arguments.system}});
  record.messages.push_back({{"role", "user"}, {"content", *arguments.chat}});
  return record;
}

/// Many prompts, from a file or the deployment's own; one prompt is streamed instead.
static bool isBatch(const RunArguments &arguments) {
  return !arguments.prompt && !arguments.promptIds && !arguments.chat;
}

/// The requests as the command line gives them, in order, or those of the deployment.
static std::vector<WorkloadRequest> collectRequests(const RunArguments &arguments,
                                                    const fb::Plan &plan, PromptEncoder &encoder) {
  std::vector<WorkloadRequest> requests;
  if (!arguments.prompts.empty()) {
    for (PromptRecord &record : readPromptFile(arguments.prompts))
      requests.push_back({std::move(record), std::nullopt});
    return requests;
  }
  const SamplingOverrides &given = arguments.sampling.given;
  if (isBatch(arguments))
    return workloadRequests(plan, encoder.tokenizerIfAny(),
                            {.seed = given.seed.value_or(0),
                             .maxTokens = given.maxTokens,
                             .truncation = arguments.truncation});
  PromptRecord &record = requests.emplace_back().prompt;
  if (arguments.prompt) {
    record.kind = PromptRecord::Kind::Text;
    record.text = *arguments.prompt;
  } else if (arguments.promptIds) {
    record.kind = PromptRecord::Kind::Ids;
    record.ids = parseIds("--prompt-ids", *arguments.promptIds);
  } else
    record = chatRecord(arguments);
  return requests;
}

/// Refuses or cuts what is too long: one token must be left to generate. Cutting keeps the end,
/// where the question is.
static void fitPrompt(Prompt &prompt, const SourcePosition &position, uint32_t maxSeqLen,
                      bool truncation) {
  if (prompt.ids.empty())
    fail(position, "the prompt is empty: it has no tokens to continue");
  if (prompt.ids.size() < maxSeqLen)
    return;
  if (!truncation)
    fail(position,
         "the prompt has {} tokens, but max_seq_len {} leaves room for {} and one to generate; "
         "shorten it, compile "
         "with a larger --max-seq-len, or keep only its end with --truncation",
         prompt.ids.size(), maxSeqLen, maxSeqLen - 1);
  prompt.ids.erase(prompt.ids.begin(), prompt.ids.end() - (maxSeqLen - 1));
}

static std::vector<Job> prepareJobs(const RunArguments &arguments, const fb::Plan *plan,
                                    PromptEncoder &encoder) {
  std::vector<Job> jobs;
  for (const WorkloadRequest &request : collectRequests(arguments, *plan, encoder)) {
    Job job{encoder.fromRecord(request.prompt),
            resolveSampling(arguments.sampling, *plan->generation(), request.outputTokens,
                            request.prompt.sampling),
            arguments.ignoreEos || request.outputTokens};
    fitPrompt(job.prompt, SourcePosition{arguments.prompts, request.prompt.line},
              plan->limits()->max_seq_len(), arguments.truncation);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

/// All that decides what steps do, for the comparison of processes.
static std::string describe(const std::vector<Job> &jobs) {
  std::string text;
  for (const Job &job : jobs)
    text += fmt::format("{} {} {} {}\n", fmt::join(job.prompt.ids, ","), job.sampling.maxTokens,
                        job.sampling.report.dump(), job.ignoreEos);
  return text;
}

static void checkPrefillChunk(const RunArguments &arguments, const fb::Limits *limits) {
  if (arguments.prefillChunk && (*arguments.prefillChunk < 1 ||
                                 *arguments.prefillChunk > int64_t(limits->max_tokens_per_step())))
    fail("--prefill-chunk {} is not a number of tokens per step; 1 to max_tokens_per_step {} are "
         "legal",
         *arguments.prefillChunk, limits->max_tokens_per_step());
}

static Report graphReport(const GraphCapture &graphs, const GraphUse &use) {
  return {{"mode", toString(graphs.mode)},          {"batch_sizes", graphs.sizes},
          {"replayed_steps", use.replayed},         {"padded_tokens", use.paddedTokens},
          {"eager_decode_steps", use.eagerDecodes}, {"eager_prefill_steps", use.eagerPrefills}};
}

/// What is the same for all requests of a run.
struct RunRecord {
  double loadMs = 0;
  uint32_t ranks = 0;
  Report graphs;
  const RunClock *clock = nullptr;
};

static Report resultReport(const Job &job, const Result &result, const Tokenizer *tokenizer,
                           const RunRecord &run) {
  Report text = nullptr;
  if (tokenizer)
    text = tokenizer->decode(result.outputIds, /*skipSpecialTokens=*/true);
  Report report = {{"prompt_ids", job.prompt.ids},
                   {"output_ids", result.outputIds},
                   {"text", text},
                   {"finish_reason", toString(result.finishReason)},
                   {"timing",
                    {{"load_ms", run.loadMs},
                     {"prefill_ms", result.timing.prefillMs},
                     {"decode_ms", result.timing.decodeMs},
                     {"tokens_per_s", result.timing.tokensPerS}}},
                   {"sampling", job.sampling.report},
                   {"ranks", run.ranks},
                   {"graphs", run.graphs}};
  if (run.clock) {
    report["virtual_timing"] = run.clock->timing(result);
    report["clock"] = run.clock->summary();
  }
  return report;
}

static void printResults(const RunArguments &arguments, const std::vector<Job> &jobs,
                         const std::vector<Result> &results, const Tokenizer *tokenizer,
                         const RunRecord &run) {
  const bool batch = isBatch(arguments);
  if (arguments.format == ReportFormat::Json) {
    Report reports = Report::array();
    for (size_t i = 0; i < jobs.size(); ++i)
      reports.push_back(resultReport(jobs[i], results[i], tokenizer, run));
    return printReport(batch ? reports : reports.front(), ReportFormat::Json);
  }
  if (!batch) // streamed already
    return;
  for (size_t i = 0; i < jobs.size(); ++i)
    fmt::print("{}== prompt {}\n{}\n", i ? "\n" : "", i + 1,
               tokenizer ? tokenizer->decode(results[i].outputIds, true)
                         : fmt::format("{}", fmt::join(results[i].outputIds, ",")));
}

static void run(const RunArguments &arguments) {
  checkLoadFlags(arguments.load);
  const auto start = std::chrono::steady_clock::now();
  ReadyPlan ready = preparePlan(arguments.model, arguments.load.model, arguments.compile);
  const fb::Plan *plan = ready.plan.root(); // stays where it is when the plan moves
  checkPrefillChunk(arguments, plan->limits());
  const auto *chatTemplate = plan->generation()->chat_template();
  PromptEncoder encoder(ready.modelDirectory, chatTemplate ? chatTemplate->str() : "");
  const std::vector<Job> jobs = prepareJobs(arguments, plan, encoder);
  const Tokenizer *tokenizer = encoder.tokenizerIfAny();
  if (ProcessGroup *processes = processGroup()) {
    const std::string prompts = describe(jobs);
    requireSame(*processes, "what is asked", std::as_bytes(std::span(prompts)));
  }
  std::optional<NpyWriter> logits;
  if (!arguments.logits.empty() && isFirstProcess())
    logits.emplace(arguments.logits, plan->model()->vocab_size());
  const std::optional<DeviceSpec> device = clockDevice(arguments.clock, ready.deployment);
  const DeploymentSpec deployment = ready.deployment;
  const auto model = load(std::move(ready), arguments.load, /*countExperts=*/device.has_value());
  std::optional<RunClock> clock;
  if (device)
    clock.emplace(model->plan(), *device, deployment);
  const std::chrono::duration<double, std::milli> loadTime =
      std::chrono::steady_clock::now() - start;

  const bool stream = !isBatch(arguments) && arguments.format == ReportFormat::Text;
  std::optional<Detokenizer> detokenizer;
  if (tokenizer)
    detokenizer.emplace(*tokenizer, /*skipSpecialTokens=*/true);
  if (stream && arguments.prompt)
    fmt::print("{}", *arguments.prompt);

  StepRecorder recorder(*model);
  Engine engine(clock ? static_cast<StepRunner &>(recorder) : *model,
                {.prefillChunk = uint32_t(arguments.prefillChunk.value_or(0)),
                 .warning = [](const std::string &message) {
                   fmt::print(stderr, "warning: {}\n", message);
                 }});
  for (size_t i = 0; i < jobs.size(); ++i) {
    Request request;
    request.id = i;
    request.promptIds = jobs[i].prompt.ids;
    request.sampling = jobs[i].sampling.params;
    request.maxTokens = jobs[i].sampling.maxTokens;
    if (const auto *eos = plan->generation()->eos_token_ids())
      request.eosIds.assign(eos->begin(), eos->end());
    request.ignoreEos = jobs[i].ignoreEos;
    if (stream)
      request.onToken = [&](int32_t id) {
        fmt::print("{}", detokenizer ? detokenizer->push(id) : fmt::format("{} ", id));
        std::fflush(stdout);
      };
    if (!arguments.logits.empty()) // steps are the same in all processes
      request.onLogits = [&](uint32_t, std::span<const float> row) {
        if (logits)
          logits->append(row);
      };
    engine.submit(std::move(request));
  }
  const std::vector<Result> results = engine.run();
  if (stream)
    fmt::print("{}\n", detokenizer ? detokenizer->flush() : "");
  if (logits)
    logits->finish();
  if (clock)
    clock->finish(recorder);
  if (clock && arguments.format == ReportFormat::Text)
    clock->print();
  if (!arguments.clock.trace.empty() && isFirstProcess())
    clock->writeTrace(arguments.clock.trace, arguments.clock.traceSteps, results);
  printResults(arguments, jobs, results, tokenizer,
               {loadTime.count(), model->ranks(), graphReport(model->graphs(), engine.graphUse()),
                clock ? &*clock : nullptr});
}

void addRunCommand(CLI::App &app) {
  auto *command = app.add_subcommand("run", "Generate text from a plan or a model");
  auto arguments = std::make_shared<RunArguments>();
  command->add_option(
      "MODEL|PLAN", arguments->model,
      "A model directory, a plan, or a shipped model's name (default: austen-qwen3)");
  auto *source = command->add_option_group("Prompt", "One of; none: the deployment's own load");
  source->add_option("--prompt", arguments->prompt, "Text to continue");
  source->add_option("--prompt-ids", arguments->promptIds,
                     "Token ids to continue, as 1,2,3; needs no tokenizer");
  auto *chat = source->add_option("--chat", arguments->chat,
                                  "A message to answer, through the model's chat template");
  auto *prompts = source->add_option(
      "--prompts", arguments->prompts,
      "A JSON or JSONL file of prompts, run as one continuous batch; results come in its order");
  source->require_option(0, 1);
  command->add_option("--system", arguments->system, "A system message")->needs(chat);
  command->add_flag("--truncation", arguments->truncation,
                    "Keep the end of a prompt that is too long instead of refusing it");
  addSamplingFlags(*command, arguments->sampling);
  command->add_flag("--ignore-eos", arguments->ignoreEos, "Go on after an end token");
  command->add_option("--prefill-chunk", arguments->prefillChunk,
                      "Prompt tokens per step (default: max_tokens_per_step)");
  command
      ->add_option("--logits", arguments->logits,
                   "Write the logits that predict every token but the first to this .npy")
      ->excludes(prompts);
  addClockFlags(*command, arguments->clock);
  addLoadFlags(*command, arguments->load);
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format);
  command->footer(
      "Examples:\n"
      "  vinci run --prompt \"It is a truth\" --temperature 0.8 --seed 1\n"
      "  vinci run models/austen-qwen2 --dtype float32 --prompt-ids 12,40,7 --format json\n"
      "  vinci run qwen.plan --model path/to/Qwen3-8B --chat \"Why is the sky blue?\" --sampling "
      "model\n"
      "  vinci run austen-qwen3 --prompts questions.jsonl --format json\n"
      "  vinci run austen-qwen3 --target 910b3 --prompt \"It is\" --trace trace.json --format "
      "json");
  command->callback([arguments] { run(*arguments); });
}

} // namespace vinci
